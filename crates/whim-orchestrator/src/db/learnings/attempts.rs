//! What each attempt received.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;
use whim_core::protocol::learnings::LearningRecord;
use whim_core::{LearningId, RepoName, WorkItemId, WorkerId};

/// An attempt and what it receives.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    pub worker: WorkerId,
    pub item: WorkItemId,
    pub repo: &'a RepoName,
    pub is_holdout: bool,
    /// In order, with their scores. In the holdout: those that it would have received.
    pub learnings: &'a [(LearningId, f32)],
    pub text: &'a str,
}

/// The text that an attempt received; `None` if that was not decided yet.
///
/// # Errors
/// Postgres is unavailable.
pub async fn text(db: impl PgExecutor<'_>, worker: WorkerId) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "select text from learning_attempts where worker_id = $1",
        worker.as_uuid()
    )
    .fetch_optional(db)
    .await
}

/// Whether the earliest attempt of an item was of the arm without learnings; `None` before the first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn is_holdout(db: impl PgExecutor<'_>, item: WorkItemId) -> sqlx::Result<Option<bool>> {
    sqlx::query_scalar!(
        "select is_holdout from learning_attempts where work_item_id = $1 order by created_at, worker_id limit 1",
        item.as_uuid()
    )
    .fetch_optional(db)
    .await
}

/// Records what an attempt receives, unless that was recorded before. Returns whether it was new. Within a transaction.
///
/// # Errors
/// Postgres is unavailable.
pub async fn record(db: &mut PgConnection, given: &Given<'_>) -> sqlx::Result<bool> {
    let inserted = sqlx::query!(
        "insert into learning_attempts (worker_id, work_item_id, repo, is_holdout, learning_count, text)
         values ($1, $2, $3, $4, $5, $6)
         on conflict do nothing",
        given.worker.as_uuid(),
        given.item.as_uuid(),
        given.repo.as_str(),
        given.is_holdout,
        i32::try_from(given.learnings.len()).unwrap_or(i32::MAX),
        given.text
    )
    .execute(&mut *db)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok(false);
    }
    if !given.is_holdout {
        let (ids, scores): (Vec<Uuid>, Vec<f32>) = given
            .learnings
            .iter()
            .map(|(id, score)| (id.as_uuid(), *score))
            .unzip();
        sqlx::query!(
            "insert into learning_injections (worker_id, learning_id, position, score)
             select $1, l.id, n.position, n.score
             from unnest($2::uuid[], $3::real[]) with ordinality n(id, score, position)
             join learnings l on l.id = n.id",
            given.worker.as_uuid(),
            &ids,
            &scores
        )
        .execute(db)
        .await?;
    }
    Ok(true)
}

/// Records which of the received learnings the agent used.
///
/// # Errors
/// Postgres is unavailable.
pub async fn cite(db: impl PgExecutor<'_>, worker: WorkerId, positions: &[i32]) -> sqlx::Result<()> {
    sqlx::query!(
        "update learning_injections set is_cited = true where worker_id = $1 and position = any($2)",
        worker.as_uuid(),
        positions
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What became of the ended items that received a learning.
///
/// # Errors
/// Postgres is unavailable.
pub async fn record_of(db: impl PgExecutor<'_>, learning: LearningId) -> sqlx::Result<LearningRecord> {
    let row = sqlx::query!(
        r#"select count(*) as "items!", count(*) filter (where o.is_completed) as "completed!",
                  count(*) filter (where o.is_retried) as "retried!", count(*) filter (where s.is_cited) as "cited!"
           from (
               select a.work_item_id, bool_or(i.is_cited) as is_cited
               from learning_injections i join learning_attempts a on a.worker_id = i.worker_id
               where i.learning_id = $1
               group by a.work_item_id
           ) s
           join learning_outcomes o on o.work_item_id = s.work_item_id"#,
        learning.as_uuid()
    )
    .fetch_one(db)
    .await?;
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(LearningRecord {
        items: count(row.items),
        completed: count(row.completed),
        retried: count(row.retried),
        cited: count(row.cited),
    })
}
