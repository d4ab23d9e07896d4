//! Ended items with learnings and without, for the comparison.

use sqlx::PgExecutor;
use whim_core::LearningId;

/// An ended item for which there were learnings.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemOutcome {
    pub repo: String,
    /// Of the arm without learnings.
    pub is_holdout: bool,
    pub is_completed: bool,
    pub tasks_total: i32,
    pub iterations: i64,
    pub cost_usd: f64,
    /// It needed more than one attempt.
    pub is_retried: bool,
}

/// The newest items, at most `limit`.
///
/// # Errors
/// Postgres is unavailable.
pub async fn newest(db: impl PgExecutor<'_>, limit: i64) -> sqlx::Result<Vec<ItemOutcome>> {
    sqlx::query_as!(
        ItemOutcome,
        r#"select repo as "repo!", is_holdout as "is_holdout!", is_completed as "is_completed!",
                  tasks_total as "tasks_total!", iterations as "iterations!", cost_usd as "cost_usd!",
                  is_retried as "is_retried!"
           from learning_outcomes
           order by work_item_id desc
           limit $1"#,
        limit
    )
    .fetch_all(db)
    .await
}

/// A learning that was shown often, with what became of the items of its repository.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownOften {
    pub id: LearningId,
    /// Ended items that received it, and those of them that were completed.
    pub with_items: i64,
    pub with_completed: i64,
    /// The same for the ended items of the repository that did not receive it.
    pub without_items: i64,
    pub without_completed: i64,
    /// Attempts whose agent used it.
    pub cited: i64,
}

/// Learnings that at least `min` ended items received, and that are neither pinned nor retired; at most 500.
///
/// # Errors
/// Postgres is unavailable.
pub async fn shown_often(db: impl PgExecutor<'_>, min: i64) -> sqlx::Result<Vec<ShownOften>> {
    sqlx::query_as!(
        ShownOften,
        r#"with shown as (
               select i.learning_id, a.work_item_id, bool_or(i.is_cited) as is_cited
               from learning_injections i join learning_attempts a on a.worker_id = i.worker_id
               group by i.learning_id, a.work_item_id
           ), counted as (
               select s.learning_id, o.repo, count(*) as items, count(*) filter (where o.is_completed) as completed,
                      count(*) filter (where s.is_cited) as cited
               from shown s join learning_outcomes o on o.work_item_id = s.work_item_id
               group by s.learning_id, o.repo
               having count(*) >= $1
           ), of_repo as (
               select repo, count(*) as items, count(*) filter (where is_completed) as completed
               from learning_outcomes group by repo
           )
           select c.learning_id as "id!: LearningId", c.items as "with_items!", c.completed as "with_completed!",
                  r.items - c.items as "without_items!", r.completed - c.completed as "without_completed!",
                  c.cited as "cited!"
           from counted c
           join of_repo r on r.repo = c.repo
           join learnings l on l.id = c.learning_id
           where l.retired_at is null and l.pinned_at is null
           limit 500"#,
        min
    )
    .fetch_all(db)
    .await
}
