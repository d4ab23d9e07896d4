//! New items.

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::work::WorkMetadata;
use whim_core::{BranchName, Priority, RepoName, SourceName, UserName, WorkItemId, WorkItemStatus};

use super::task_counts::TaskCounts;

/// The index that lets one live item work on a branch.
pub const LIVE_BRANCH_KEY: &str = "work_items_live_branch_key";

/// An item to be.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// Its identifier.
    pub id: WorkItemId,
    /// The repository.
    pub repo: RepoName,
    /// The branch.
    pub branch: BranchName,
    /// `generating` or `queued`.
    pub status: WorkItemStatus,
    /// Its priority.
    pub priority: Priority,
    /// Where it comes from.
    pub source: SourceName,
    /// What it is called there.
    pub source_ref: Option<String>,
    /// Who asked for it.
    pub requested_by: Option<UserName>,
    /// The caller's limit for one attempt.
    pub max_iterations: Option<i32>,
    /// How far its checklist is.
    pub tasks: TaskCounts,
    /// The checklist.
    pub spec: Option<String>,
    /// What is wanted, in prose.
    pub description: Option<String>,
    /// What else is known of it.
    pub metadata: WorkMetadata,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The item is there.
    New,
    /// There was one of the same repository, source and reference; nothing changed.
    Existing(WorkItemId),
}

/// Inserts an item and its texts, unless there is one that is called so at its source. Of several at once, one wins. That
/// there is a queued item is the caller's to tell, after the commit.
///
/// # Errors
/// A violation of [`LIVE_BRANCH_KEY`] when another live item works on the branch.
pub async fn insert(db: &mut PgConnection, item: &NewItem) -> sqlx::Result<Inserted> {
    let inserted = sqlx::query!(
        "with told as materialized (select set_config('whim.suppress_notify', 'on', true)),
         item as (
             insert into work_items
                (id, repo, branch, status, priority, source, source_ref, max_iterations, tasks_total, tasks_done,
                 requested_by)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $14)
             on conflict (lower(repo), source, source_ref) where source_ref is not null do nothing
             returning id
         )
         insert into work_item_texts (work_item_id, spec, description, metadata)
         select id, $11, $12, $13 from item cross join told",
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

/// The live item that works on a branch.
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
