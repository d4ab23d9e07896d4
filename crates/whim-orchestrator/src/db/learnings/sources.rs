//! Where learnings come from, and the pull requests that decide about them.

use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::learnings::{LearningSource, PullRequestOutcome, Quarantined, QuarantinedItem};
use whim_core::{IssueNumber, LearningId, WorkItemId, WorkerId};

use super::lock;

/// Reason of learnings whose pull request was closed without being merged.
pub const REJECTED: &str = "its pull request was closed without being merged";

/// Records that an attempt reported a learning; once, however often.
///
/// # Errors
/// Postgres is unavailable.
pub async fn add_attempt(
    db: impl PgExecutor<'_>,
    learning: LearningId,
    item: WorkItemId,
    worker: WorkerId,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into learning_sources (learning_id, author, work_item_id, run, worker_id, head_sha, outcome)
         select $1, 'agent', i.id, i.run, $3, t.head_sha, 'pending'
         from work_items i join work_item_texts t on t.work_item_id = i.id
         where i.id = $2
         on conflict (learning_id, worker_id) where worker_id is not null do nothing",
        learning.as_uuid(),
        item.as_uuid(),
        worker.as_uuid()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records that a person wrote a learning; once, however often.
///
/// # Errors
/// Postgres is unavailable.
pub async fn add_person(db: impl PgExecutor<'_>, learning: LearningId) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into learning_sources (learning_id, author) values ($1, 'person')
         on conflict (learning_id) where author = 'person' do nothing",
        learning.as_uuid()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// At most `limit` sources of a learning, oldest first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn of_learning(
    db: impl PgExecutor<'_>,
    learning: LearningId,
    limit: i64,
) -> sqlx::Result<Vec<LearningSource>> {
    let rows = sqlx::query!(
        "select s.work_item_id, s.run, s.worker_id, s.head_sha, s.outcome, s.created_at, i.pr_url as \"pr_url?\"
         from learning_sources s left join work_items i on i.id = s.work_item_id
         where s.learning_id = $1
         order by s.id
         limit $2",
        learning.as_uuid(),
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| LearningSource {
            work_item_id: row.work_item_id,
            run: row.run.and_then(|run| u32::try_from(run).ok()),
            worker_id: row.worker_id,
            head_sha: row.head_sha,
            pr_url: row.pr_url,
            outcome: row.outcome,
            created_at: row.created_at,
        })
        .collect())
}

/// At most `limit` completed items whose learnings wait for their pull request, checked longest ago first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn quarantined(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<QuarantinedItem>> {
    let rows = sqlx::query!(
        r#"select i.id, i.repo, i.branch, i.pr_number as "pr_number!"
           from work_items i
           join (
               select work_item_id, min(coalesce(checked_at, '-infinity')) as checked_at
               from learning_sources where outcome = 'pending' group by work_item_id
           ) s on s.work_item_id = i.id
           where i.status = 'completed' and i.pr_number is not null
           order by s.checked_at, i.id
           limit $1"#,
        limit
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(QuarantinedItem {
                work_item_id: row.id,
                repo: row.repo,
                branch: row.branch,
                pr_number: IssueNumber::new(u64::try_from(row.pr_number).ok()?)?,
            })
        })
        .collect())
}

/// Records what became of the pull request of an item. Within a transaction.
///
/// # Errors
/// Postgres is unavailable.
pub async fn decide(
    db: &mut PgConnection,
    item: WorkItemId,
    outcome: PullRequestOutcome,
) -> sqlx::Result<Quarantined> {
    let ids = sqlx::query_scalar!(
        r#"update learning_sources set outcome = $2, checked_at = now()
           where work_item_id = $1 and outcome = 'pending'
           returning learning_id as "id: uuid::Uuid""#,
        item.as_uuid(),
        outcome as PullRequestOutcome
    )
    .fetch_all(&mut *db)
    .await?;
    lock::by_ids(&mut *db, &ids).await?;
    let (mut accepted, mut retired) = (0, 0);
    match outcome {
        PullRequestOutcome::Pending => {}
        PullRequestOutcome::Merged => {
            accepted = sqlx::query!(
                "update learnings set accepted_at = now() where id = any($1) and accepted_at is null",
                &ids
            )
            .execute(db)
            .await?
            .rows_affected();
        }
        PullRequestOutcome::Closed => {
            retired = sqlx::query!(
                "update learnings l set retired_at = now(), retired_reason = $2
                 where id = any($1) and accepted_at is null and retired_at is null
                   and not exists (select from learning_sources s where s.learning_id = l.id and s.outcome = 'pending')",
                &ids,
                REJECTED
            )
            .execute(db)
            .await?
            .rows_affected();
        }
    }
    let number = |rows: u64| u32::try_from(rows).unwrap_or(u32::MAX);
    Ok(Quarantined {
        accepted: number(accepted),
        retired: number(retired),
    })
}
