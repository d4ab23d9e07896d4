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

/// A learning that was shown often and never used, with what became of the items of its repository.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownOften {
    pub id: LearningId,
    /// Ended items that received it since a person restored it, or ever, and those of them that were completed.
    pub with_items: i64,
    pub with_completed: i64,
    /// The same for the ended items of the repository that never received it.
    pub without_items: i64,
    pub without_completed: i64,
}

/// Learnings that at least `min` ended items of their repository received, that no agent of any repository used, and that are
/// neither pinned nor retired.
///
/// # Errors
/// Postgres is unavailable.
pub async fn shown_often(db: impl PgExecutor<'_>, min: i64) -> sqlx::Result<Vec<ShownOften>> {
    sqlx::query_as!(
        ShownOften,
        r#"with unused as (
               select l.id, lower(l.repo) as repo, coalesce(l.restored_at, '-infinity') as restored_at
               from learnings l
               where l.retired_at is null and l.pinned_at is null
                 and not exists (select from learning_injections i where i.learning_id = l.id and i.is_cited)
           ), shown as (
               select u.id, u.repo, a.work_item_id, bool_or(a.created_at >= u.restored_at) as is_counted
               from unused u
               join learning_injections i on i.learning_id = u.id
               join learning_attempts a on a.worker_id = i.worker_id
               group by u.id, u.repo, a.work_item_id
           ), counted as (
               select s.id, s.repo, count(*) as shown, count(*) filter (where o.is_completed) as shown_completed,
                      count(*) filter (where s.is_counted) as items,
                      count(*) filter (where s.is_counted and o.is_completed) as completed
               from shown s join learning_outcomes o on o.work_item_id = s.work_item_id and o.repo = s.repo
               group by s.id, s.repo
               having count(*) filter (where s.is_counted) >= $1
           ), of_repo as (
               select repo, count(*) as items, count(*) filter (where is_completed) as completed
               from learning_outcomes group by repo
           )
           select c.id as "id!: LearningId", c.items as "with_items!", c.completed as "with_completed!",
                  r.items - c.shown as "without_items!", r.completed - c.shown_completed as "without_completed!"
           from counted c join of_repo r on r.repo = c.repo"#,
        min
    )
    .fetch_all(db)
    .await
}
