//! Learnings of earlier tasks.

use sqlx::PgExecutor;
use whim_core::protocol::learnings::{Learning, LearningFilter, LearningKind, LearningState, UpdateLearning};
use whim_core::{LearningId, RepoName, WorkItemId};

/// At most `limit` learnings that match `filter`, newest first, after the filter's cursor. The limit of the filter is
/// not used: the caller validates it.
///
/// # Errors
/// Postgres is unavailable.
pub async fn page(
    db: impl PgExecutor<'_>,
    filter: &LearningFilter,
    limit: i64,
) -> sqlx::Result<Vec<Learning>> {
    let state = filter.state.unwrap_or_default();
    sqlx::query_as!(
        Learning,
        r#"select id as "id: LearningId", repo as "repo: RepoName", kind as "kind: LearningKind", text,
                  work_item_id as "work_item_id: WorkItemId", created_at, updated_at, pinned_at, retired_at
           from learnings
           where ($1::text is null or lower(repo) = lower($1))
             and ($2::text is null or kind = $2)
             and ($3::uuid is null or id < $3)
             and (retired_at is not null) = $4
             and (pinned_at is not null or not $5)
           order by id desc
           limit $6"#,
        filter.repo.as_ref().map(RepoName::as_str),
        filter.kind.map(LearningKind::as_str),
        filter.cursor.map(LearningId::as_uuid),
        state == LearningState::Retired,
        state == LearningState::Pinned,
        limit
    )
    .fetch_all(db)
    .await
}

/// Changes a learning; `None` if there is none. A new text invalidates the embedding.
///
/// # Errors
/// Postgres is unavailable.
pub async fn update(
    db: impl PgExecutor<'_>,
    id: LearningId,
    change: &UpdateLearning,
) -> sqlx::Result<Option<Learning>> {
    sqlx::query_as!(
        Learning,
        r#"update learnings
           set text = coalesce($2, text),
               embedding = case when $2 is null or $2 = text then embedding end,
               pinned_at = case when $3::bool then coalesce(pinned_at, now()) when not $3 then null else pinned_at end,
               retired_at = case when $4::bool then coalesce(retired_at, now()) when not $4 then null else retired_at end,
               updated_at = now()
           where id = $1
           returning id as "id: LearningId", repo as "repo: RepoName", kind as "kind: LearningKind", text,
                     work_item_id as "work_item_id: WorkItemId", created_at, updated_at, pinned_at, retired_at"#,
        id as LearningId,
        change.text.as_deref(),
        change.pinned,
        change.retired,
    )
    .fetch_optional(db)
    .await
}
