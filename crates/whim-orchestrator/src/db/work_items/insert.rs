//! New items.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::work::{WorkItem, WorkMetadata};
use whim_core::{
    BranchName, LeaseEpoch, Priority, RepoName, SourceName, UserName, WorkItemId, WorkItemStatus,
};

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

impl NewItem {
    /// The item as it is after its insert. `max_retries` is a setting, not a column.
    pub fn into_item(self, created_at: DateTime<Utc>, max_retries: u32) -> WorkItem {
        let Self {
            id,
            repo,
            branch,
            status,
            priority,
            source,
            source_ref,
            requested_by,
            max_iterations: _,
            tasks,
            spec,
            description,
            metadata,
        } = self;
        WorkItem {
            id,
            repo,
            branch,
            status,
            priority,
            source,
            source_ref,
            requested_by,
            metadata,
            retries: 0,
            max_retries,
            next_retry_at: None,
            lease_epoch: LeaseEpoch::default(),
            run: 1,
            worker_id: None,
            stage: None,
            iteration: 0,
            tasks_total: tasks.total.cast_unsigned(),
            tasks_done: tasks.done.cast_unsigned(),
            pr_url: None,
            pr_number: None,
            error: None,
            failure_cause: None,
            spec,
            description,
            warnings: Vec::new(),
            lock_conflicts: Vec::new(),
            created_at,
            updated_at: created_at,
            started_at: None,
            ended_at: None,
        }
    }
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

/// An item that [`insert_batch`] inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsertedItem {
    pub id: WorkItemId,
    pub created_at: DateTime<Utc>,
}

/// Inserts items and their texts in one statement. Items that are missing in the result conflict with an existing item or
/// with one of this batch; inserting them alone shows how. The caller notifies the dispatchers afterwards.
///
/// # Errors
/// Postgres is unavailable or refuses one of the items. Nothing is inserted then.
pub async fn insert_batch(db: impl PgExecutor<'_>, items: &[&NewItem]) -> sqlx::Result<Vec<InsertedItem>> {
    if let [item] = items {
        let inserted = insert_one(db, item).await?;
        return Ok(inserted.into_iter().collect());
    }
    fn column<'i, T>(items: &[&'i NewItem], value: impl Fn(&'i NewItem) -> T) -> Vec<T> {
        items.iter().map(|item| value(item)).collect()
    }
    sqlx::query_as!(
        InsertedItem,
        r#"with setting as materialized (select set_config('whim.suppress_notify', 'on', true)),
           new as (
               select *
               from unnest($1::uuid[], $2::text[], $3::text[], $4::work_item_status[], $5::priority[], $6::text[],
                           $7::text[], $8::text[], $9::int[], $10::int[], $11::int[], $12::text[], $13::text[], $14::jsonb[])
                   as t (id, repo, branch, status, priority, source, source_ref, requested_by, max_iterations,
                         tasks_total, tasks_done, spec, description, metadata)
           ),
           item as (
               insert into work_items
                   (id, repo, branch, status, priority, source, source_ref, requested_by, max_iterations, tasks_total,
                    tasks_done)
               select id, repo, branch, status, priority, source, source_ref, requested_by, max_iterations, tasks_total,
                      tasks_done
               from new cross join setting
               on conflict do nothing
               returning id, created_at
           ),
           texts as (
               insert into work_item_texts (work_item_id, spec, description, metadata)
               select id, spec, description, metadata from new join item using (id)
           )
           select id as "id: WorkItemId", created_at from item"#,
        &column(items, |item| item.id) as &[WorkItemId],
        &column(items, |item| item.repo.as_str()) as &[&str],
        &column(items, |item| item.branch.as_str()) as &[&str],
        &column(items, |item| item.status) as &[WorkItemStatus],
        &column(items, |item| item.priority) as &[Priority],
        &column(items, |item| item.source.as_str()) as &[&str],
        &column(items, |item| item.source_ref.as_deref()) as &[Option<&str>],
        &column(items, |item| item.requested_by.as_ref().map(UserName::as_str)) as &[Option<&str>],
        &column(items, |item| item.max_iterations) as &[Option<i32>],
        &column(items, |item| item.tasks.total),
        &column(items, |item| item.tasks.done),
        &column(items, |item| item.spec.as_deref()) as &[Option<&str>],
        &column(items, |item| item.description.as_deref()) as &[Option<&str>],
        &column(items, |item| Json(&item.metadata)) as &[Json<&WorkMetadata>],
    )
    .fetch_all(db)
    .await
}

/// [`insert_batch`] for one item, which costs Postgres a quarter less without arrays.
async fn insert_one(db: impl PgExecutor<'_>, item: &NewItem) -> sqlx::Result<Option<InsertedItem>> {
    sqlx::query_as!(
        InsertedItem,
        r#"with setting as materialized (select set_config('whim.suppress_notify', 'on', true)),
           item as (
               insert into work_items
                   (id, repo, branch, status, priority, source, source_ref, requested_by, max_iterations, tasks_total,
                    tasks_done)
               select $1::uuid, $2, $3, $4::work_item_status, $5::priority, $6, $7, $8, $9::int, $10::int, $11::int
               from setting
               on conflict do nothing
               returning id, created_at
           ),
           texts as (
               insert into work_item_texts (work_item_id, spec, description, metadata)
               select id, $12, $13, $14::jsonb from item
           )
           select id as "id: WorkItemId", created_at from item"#,
        item.id as WorkItemId,
        item.repo.as_str(),
        item.branch.as_str(),
        item.status as WorkItemStatus,
        item.priority as Priority,
        item.source.as_str(),
        item.source_ref.as_deref(),
        item.requested_by.as_ref().map(UserName::as_str),
        item.max_iterations,
        item.tasks.total,
        item.tasks.done,
        item.spec.as_deref(),
        item.description.as_deref(),
        Json(&item.metadata) as Json<&WorkMetadata>,
    )
    .fetch_optional(db)
    .await
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
