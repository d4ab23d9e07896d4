//! Items as the API shows them.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use sqlx::types::Json;
use whim_core::protocol::work::{WorkFilter, WorkItem, WorkMetadata};
use whim_core::{
    BranchName, CommitHash, FailureCause, IssueNumber, LeaseEpoch, Priority, RepoName, SourceName, Stage,
    UserName, WorkItemId, WorkItemStatus, WorkerId,
};

struct Row {
    id: WorkItemId,
    repo: RepoName,
    branch: BranchName,
    status: WorkItemStatus,
    priority: Priority,
    source: SourceName,
    source_ref: Option<String>,
    requested_by: Option<UserName>,
    run: i32,
    lease_epoch: LeaseEpoch,
    worker_id: Option<WorkerId>,
    retries: i32,
    next_retry_at: Option<DateTime<Utc>>,
    failure_cause: Option<FailureCause>,
    pr_url: Option<String>,
    pr_number: Option<i64>,
    tasks_total: i32,
    tasks_done: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    metadata: Json<WorkMetadata>,
    error: Option<String>,
    spec: Option<String>,
    description: Option<String>,
    stage: Option<Stage>,
    iteration: Option<i32>,
}

impl Row {
    /// `max_retries` is a setting, not a column.
    fn into_item(self, max_retries: u32) -> WorkItem {
        let Self {
            id,
            repo,
            branch,
            status,
            priority,
            source,
            source_ref,
            requested_by,
            run,
            lease_epoch,
            worker_id,
            retries,
            next_retry_at,
            failure_cause,
            pr_url,
            pr_number,
            tasks_total,
            tasks_done,
            created_at,
            updated_at,
            started_at,
            ended_at,
            metadata: Json(metadata),
            error,
            spec,
            description,
            stage,
            iteration,
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
            retries: retries.cast_unsigned(),
            max_retries,
            next_retry_at,
            lease_epoch,
            run: run.cast_unsigned(),
            worker_id,
            stage: stage.filter(|_| status == WorkItemStatus::InProgress),
            iteration: iteration.unwrap_or_default().cast_unsigned(),
            tasks_total: tasks_total.cast_unsigned(),
            tasks_done: tasks_done.cast_unsigned(),
            pr_url,
            pr_number: pr_number.and_then(|number| IssueNumber::new(number.cast_unsigned())),
            error,
            failure_cause,
            spec,
            description,
            warnings: Vec::new(),
            lock_conflicts: Vec::new(),
            created_at,
            updated_at,
            started_at,
            ended_at,
        }
    }
}

/// The list of columns, with or without the wide texts.
macro_rules! select {
    (wide, $rest:literal, $($argument:expr),*) => {
        select!(@ "t.spec, t.description", $rest, $($argument),*)
    };
    (narrow, $rest:literal, $($argument:expr),*) => {
        select!(@ "null::text as spec, null::text as description", $rest, $($argument),*)
    };
    (@ $texts:literal, $rest:literal, $($argument:expr),*) => {
        sqlx::query_as!(
            Row,
            "select i.id, i.repo, i.branch, i.status, i.priority, i.source, i.source_ref, i.requested_by, i.run, i.lease_epoch,
                    i.worker_id, i.retries, i.next_retry_at, i.failure_cause, i.pr_url, i.pr_number,
                    i.tasks_total, i.tasks_done, i.created_at, i.updated_at, i.started_at, i.ended_at,
                    t.metadata, t.error, b.stage as \"stage?\", b.iteration as \"iteration?\", "
                + $texts
                + " from work_items i
                    join work_item_texts t on t.work_item_id = i.id
                    left join worker_heartbeats b on b.worker_id = i.worker_id "
                + $rest,
            $($argument),*
        )
    };
}

/// Whether there is an item with this identifier.
pub async fn exists(db: impl PgExecutor<'_>, id: WorkItemId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from work_items where id = $1) as "exists!""#,
        id as WorkItemId
    )
    .fetch_one(db)
    .await
}

/// An item with its wide texts.
pub async fn find(
    db: impl PgExecutor<'_>,
    id: WorkItemId,
    max_retries: u32,
) -> sqlx::Result<Option<WorkItem>> {
    let row = select!(wide, "where i.id = $1", id as WorkItemId)
        .fetch_optional(db)
        .await?;
    Ok(row.map(|row| row.into_item(max_retries)))
}

/// An item, as its worker needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    pub repo: RepoName,
    pub branch: BranchName,
    pub source: SourceName,
    pub requested_by: Option<UserName>,
    pub spec: Option<String>,
    /// The pushed head that the ticks of the spec belong to.
    pub head_sha: Option<CommitHash>,
    pub metadata: WorkMetadata,
}

/// An item, as its worker needs it.
pub async fn task(db: impl PgExecutor<'_>, id: WorkItemId) -> sqlx::Result<Option<Task>> {
    let row = sqlx::query!(
        "select i.repo, i.branch, i.source, i.requested_by, t.spec, t.head_sha, t.metadata
         from work_items i join work_item_texts t on t.work_item_id = i.id
         where i.id = $1",
        id as WorkItemId
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Task {
        repo: row.repo,
        branch: row.branch,
        source: row.source,
        requested_by: row.requested_by,
        spec: row.spec,
        head_sha: row.head_sha,
        metadata: row.metadata.0,
    }))
}

/// At most `limit` items that match the filter, newest first, after the filter's cursor. The filter's own limit is
/// ignored.
pub async fn page(
    db: impl PgExecutor<'_>,
    filter: &WorkFilter,
    limit: i64,
    max_retries: u32,
) -> sqlx::Result<Vec<WorkItem>> {
    let rows = select!(
        narrow,
        "where ($1::work_item_status is null or i.status = $1)
           and ($2::text is null or lower(i.repo) = lower($2))
           and ($3::text is null or i.source = $3)
           and ($4::text is null or i.source_ref = $4)
           and ($5::priority is null or i.priority = $5)
           and ($6::uuid is null or i.id < $6)
         order by i.id desc
         limit $7",
        filter.status as Option<WorkItemStatus>,
        filter.repo.as_ref().map(RepoName::as_str),
        filter.source.as_ref().map(SourceName::as_str),
        filter.source_ref.as_deref(),
        filter.priority as Option<Priority>,
        filter.cursor as Option<WorkItemId>,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| row.into_item(max_retries)).collect())
}

/// At most `limit` queued items in the order in which they will be claimed, those in backoff last; `after` is the last
/// item of the previous page.
pub async fn queue(
    db: &sqlx::PgPool,
    after: Option<WorkItemId>,
    limit: i64,
    max_retries: u32,
) -> sqlx::Result<Vec<WorkItem>> {
    let mut rows = select!(
        narrow,
        "where i.status = 'queued' and i.next_retry_at is null
           and ($1::uuid is null or (i.priority, i.queued_at, i.id) >
                (select a.priority, a.queued_at, a.id from work_items a where a.id = $1 and a.next_retry_at is null))
         order by i.priority, i.queued_at, i.id
         limit $2",
        after as Option<WorkItemId>,
        limit
    )
    .fetch_all(db)
    .await?;
    let missing = limit - i64::try_from(rows.len()).unwrap_or(limit);
    if missing > 0 {
        // The anchor is null when the previous page ended among the claimable items: all items in backoff follow.
        rows.extend(
            select!(
                narrow,
                "where i.status = 'queued' and i.next_retry_at is not null
                   and coalesce((i.next_retry_at, i.id) >
                        (select a.next_retry_at, a.id from work_items a where a.id = $1), true)
                 order by i.next_retry_at, i.id
                 limit $2",
                after as Option<WorkItemId>,
                missing
            )
            .fetch_all(db)
            .await?,
        );
    }
    Ok(rows.into_iter().map(|row| row.into_item(max_retries)).collect())
}

/// The item whose spec is generated next: the most urgent and oldest `generating` item that is not in backoff.
pub async fn next_without_spec(db: impl PgExecutor<'_>) -> sqlx::Result<Option<WorkItemId>> {
    sqlx::query_scalar!(
        "select id from work_items
         where status = 'generating' and next_retry_at is null
         order by priority, created_at, id
         limit 1"
    )
    .fetch_optional(db)
    .await
}

/// Number of items that will be claimed before a claimable one, counted up to `limit`.
pub async fn ahead(db: impl PgExecutor<'_>, id: WorkItemId, limit: i64) -> sqlx::Result<u64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
             select from work_items
             where status = 'queued' and next_retry_at is null
               and (priority, queued_at, id) < (select a.priority, a.queued_at, a.id from work_items a where a.id = $1)
             limit $2
           ) before"#,
        id as WorkItemId,
        limit
    )
    .fetch_one(db)
    .await?;
    Ok(count.cast_unsigned())
}
