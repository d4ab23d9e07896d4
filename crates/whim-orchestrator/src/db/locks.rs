//! The copy of the file locks, from which Redis is restored, and the files that two items changed despite the locks.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use whim_core::protocol::locks::{HeldLock, LockFilter};
use whim_core::protocol::work::FileConflict;
use whim_core::protocol::worker::LockConflict;
use whim_core::{BranchName, LeaseEpoch, RelativePath, RepoName, WorkItemId, WorkerId};

use crate::locks::CopiedLock;

/// Conflicts that are stored for an item that changed files, and conflicts in a response.
const MAX_STORED_CONFLICTS: i64 = 1000;
const MAX_SHOWN_CONFLICTS: i64 = 100;

/// Result of copying a set of locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// The worker no longer has its item; nothing was written.
    LeaseLost,
    /// All of them are in the copy.
    Complete {
        /// How many were not in it before.
        new: u64,
    },
}

/// Copies locks that a worker was granted, if it still has its item.
///
/// Commits asynchronously: the copy is lost only when Postgres crashes right before Redis loses the locks.
pub async fn copy(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    epoch: LeaseEpoch,
    files: &[RelativePath],
) -> sqlx::Result<Copied> {
    let row = sqlx::query!(
        r#"with setting as materialized (select set_config('synchronous_commit', 'off', true)),
         lease as materialized (
             select w.id from setting, workers w join work_items i on i.id = w.work_item_id
             where w.id = $1 and w.lease_epoch = $2 and w.status = 'running'
               and i.worker_id = w.id and i.lease_epoch = w.lease_epoch and i.status = 'in_progress'
         ),
         copied as (
             insert into worker_locks (worker_id, file)
             select lease.id, file from lease, unnest($3::text[]) as file
             on conflict do nothing
             returning file
         )
         select exists (select from lease) as "leased!", (select count(*) from copied) as "new!""#,
        worker as WorkerId,
        epoch as LeaseEpoch,
        &texts(files),
    )
    .fetch_one(db)
    .await?;
    Ok(if row.leased {
        Copied::Complete {
            new: row.new.cast_unsigned(),
        }
    } else {
        Copied::LeaseLost
    })
}

/// Deletes locks from the copy.
pub async fn remove(db: impl PgExecutor<'_>, worker: WorkerId, files: &[RelativePath]) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from worker_locks where worker_id = $1 and file = any($2)",
        worker as WorkerId,
        &texts(files),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the locks of ended workers from the copy; returns how many those were.
pub async fn remove_of_ended(db: impl PgExecutor<'_>) -> sqlx::Result<u64> {
    let removed = sqlx::query!(
        "delete from worker_locks l using workers w where w.id = l.worker_id and w.ended_at is not null"
    )
    .execute(db)
    .await?;
    Ok(removed.rows_affected())
}

/// The locks of live workers, oldest last.
pub async fn of_live(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<CopiedLock>> {
    sqlx::query_as!(
        CopiedLock,
        "select i.repo, l.file, l.worker_id as worker
         from worker_locks l
         join workers w on w.id = l.worker_id
         join work_items i on i.id = w.work_item_id
         where w.ended_at is null
         order by l.locked_at desc"
    )
    .fetch_all(db)
    .await
}

/// A live worker with its item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveHolder {
    pub worker: WorkerId,
    pub work_item_id: WorkItemId,
    pub branch: BranchName,
}

/// Those of `workers` that have not ended.
pub async fn live_holders(db: impl PgExecutor<'_>, workers: &[WorkerId]) -> sqlx::Result<Vec<LiveHolder>> {
    sqlx::query_as!(
        LiveHolder,
        "select w.id as worker, w.work_item_id, i.branch
         from workers w join work_items i on i.id = w.work_item_id
         where w.id = any($1) and w.ended_at is null",
        workers as &[WorkerId]
    )
    .fetch_all(db)
    .await
}

/// A file that an item changed while another one held its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConflict {
    pub file: RelativePath,
    /// The worker that holds the lock.
    pub holder: WorkerId,
    pub changed_by: WorkItemId,
    /// Branch of the item that changed it.
    pub branch: BranchName,
}

/// Stores that a worker changed files whose locks others hold; returns the conflicts that are new.
pub async fn record_conflicts(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    conflicts: &[LockConflict],
) -> sqlx::Result<Vec<NewConflict>> {
    let files: Vec<String> = conflicts
        .iter()
        .map(|conflict| conflict.file.to_string())
        .collect();
    let holders: Vec<WorkerId> = conflicts.iter().map(|conflict| conflict.worker_id).collect();
    sqlx::query_as!(
        NewConflict,
        r#"with caller as (
             select i.id as work_item_id, i.branch
             from workers w join work_items i on i.id = w.work_item_id where w.id = $1
         ),
         reported as (
             select c.file, h.id as holder, h.work_item_id as holder_item_id
             from unnest($2::text[], $3::uuid[]) as c (file, worker_id)
             join workers h on h.id = c.worker_id
             limit greatest(0, $4 - (select count(*) from lock_conflicts k join caller using (work_item_id)))
         ),
         stored as (
             insert into lock_conflicts (work_item_id, holder_item_id, file)
             select caller.work_item_id, reported.holder_item_id, reported.file from caller, reported
             on conflict do nothing
             returning work_item_id, holder_item_id, file
         )
         select stored.file as "file!: RelativePath", reported.holder as "holder!: WorkerId",
                stored.work_item_id as "changed_by!: WorkItemId", caller.branch as "branch!: BranchName"
         from stored join reported using (holder_item_id, file) join caller using (work_item_id)"#,
        worker as WorkerId,
        &files,
        &holders as &[WorkerId],
        MAX_STORED_CONFLICTS,
    )
    .fetch_all(db)
    .await
}

/// Conflicts of an item, as the one that changed the file or as the holder of its lock; newest first.
pub async fn conflicts_of(db: impl PgExecutor<'_>, item: WorkItemId) -> sqlx::Result<Vec<FileConflict>> {
    sqlx::query_as!(
        FileConflict,
        r#"select c.file as "path!: RelativePath", i.id as other_work_item_id, i.branch as other_branch,
                  c.is_holder as "is_holder!", c.detected_at as "detected_at!: DateTime<Utc>"
         from (
             select file, holder_item_id as other, false as is_holder, detected_at from lock_conflicts where work_item_id = $1
             union all
             select file, work_item_id, true, detected_at from lock_conflicts where holder_item_id = $1
         ) c
         join work_items i on i.id = c.other
         order by c.detected_at desc, c.file
         limit $2"#,
        item as WorkItemId,
        MAX_SHOWN_CONFLICTS,
    )
    .fetch_all(db)
    .await
}

/// At most `limit` locks of live workers, by worker and file, after `after`. The filter's own limit is ignored.
pub async fn page(
    db: impl PgExecutor<'_>,
    filter: &LockFilter,
    after: Option<(WorkerId, &str)>,
    limit: i64,
) -> sqlx::Result<Vec<HeldLock>> {
    let (worker, file) = after.unzip();
    sqlx::query_as!(
        HeldLock,
        "select i.repo, l.file as path, l.worker_id, i.id as work_item_id, i.branch, l.locked_at
         from worker_locks l
         join workers w on w.id = l.worker_id
         join work_items i on i.id = w.work_item_id
         where w.ended_at is null
           and ($1::text is null or lower(i.repo) = lower($1))
           and ($2::uuid is null or (l.worker_id, l.file) > ($2, $3))
         order by l.worker_id, l.file
         limit $4",
        filter.repo.as_ref().map(RepoName::as_str),
        worker as Option<WorkerId>,
        file,
        limit,
    )
    .fetch_all(db)
    .await
}

fn texts(files: &[RelativePath]) -> Vec<String> {
    files.iter().map(RelativePath::to_string).collect()
}
