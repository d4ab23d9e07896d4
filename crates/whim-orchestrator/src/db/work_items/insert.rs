//! New items.

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::work::WorkMetadata;
use whim_core::{BranchName, Priority, RepoName, SourceName, UserName, WorkItemId, WorkItemStatus};

use super::task_counts::TaskCounts;

/// Unique index: one live item per branch.
pub const LIVE_BRANCH_KEY: &str = "work_items_live_branch_key";

/// An item to insert.
#[derive(Clone, Debug)]
pub struct NewItem {
    pub id: WorkItemId,
    pub repo: RepoName,
    pub branch: BranchName,
    /// `generating` or `queued`.
    pub status: WorkItemStatus,
    pub priority: Priority,
    pub source: SourceName,
    /// Reference at the source, such as an issue number.
    pub source_ref: Option<String>,
    pub requested_by: Option<UserName>,
    /// The submitter's limit for one attempt.
    pub max_iterations: Option<i32>,
    pub tasks: TaskCounts,
    pub spec: Option<String>,
    pub description: Option<String>,
    pub metadata: WorkMetadata,
}

/// Result of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    New,
    /// An item of the same repository, source and reference exists; nothing changed.
    Existing(WorkItemId),
}

/// Inserts an item and its texts, unless one with the same repository, source and reference exists. Of concurrent inserts
/// one succeeds. The caller notifies the dispatchers after the commit.
///
/// # Errors
/// A violation of [`LIVE_BRANCH_KEY`] if another live item works on the branch.
pub async fn insert(db: &mut PgConnection, item: &NewItem) -> sqlx::Result<Inserted> {
    let inserted = sqlx::query!(
        "with setting as materialized (select set_config('whim.suppress_notify', 'on', true)),
         item as (
             insert into work_items
                (id, repo, branch, status, priority, source, source_ref, max_iterations, tasks_total, tasks_done,
                 requested_by)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $14)
             on conflict (lower(repo), source, source_ref) where source_ref is not null do nothing
             returning id
         )
         insert into work_item_texts (work_item_id, spec, description, metadata)
         select id, $11, $12, $13 from item cross join setting",
        item.id as WorkItemId,
        item.repo.as_str(),
        item.branch.as_str(),
        item.status as WorkItemStatus,
        item.priority as Priority,
        item.source.as_str(),
        item.source_ref.as_deref(),
        item.max_iterations,
        item.tasks.total,
        item.tasks.done,
        item.spec.as_deref(),
        item.description.as_deref(),
        Json(&item.metadata) as Json<&WorkMetadata>,
        item.requested_by.as_ref().map(UserName::as_str),
    )
    .execute(&mut *db)
    .await?;
    if inserted.rows_affected() > 0 {
        return Ok(Inserted::New);
    }
    let existing = sqlx::query_scalar!(
        "select id from work_items where lower(repo) = lower($1) and source = $2 and source_ref = $3",
        item.repo.as_str(),
        item.source.as_str(),
        item.source_ref.as_deref(),
    )
    .fetch_one(db)
    .await?;
    Ok(Inserted::Existing(existing))
}

/// The live item of a branch.
pub async fn live_on_branch(
    db: impl PgExecutor<'_>,
    repo: &RepoName,
    branch: &BranchName,
) -> sqlx::Result<Option<WorkItemId>> {
    sqlx::query_scalar!(
        "select id from work_items
         where lower(repo) = lower($1) and branch = $2
           and status in ('generating', 'queued', 'assigned', 'in_progress')",
        repo.as_str(),
        branch.as_str(),
    )
    .fetch_optional(db)
    .await
}
