//! Learnings of earlier tasks.

use sqlx::PgExecutor;
use whim_core::protocol::learnings::{Learning, LearningFilter, LearningKind};
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
    sqlx::query_as!(
        Learning,
        r#"select id as "id: LearningId", repo as "repo: RepoName", kind as "kind: LearningKind", text,
                  work_item_id as "work_item_id: WorkItemId", created_at
           from learnings
           where ($1::text is null or lower(repo) = lower($1))
             and ($2::text is null or kind = $2)
             and ($3::uuid is null or id < $3)
           order by id desc
           limit $4"#,
        filter.repo.as_ref().map(RepoName::as_str),
        filter.kind.map(LearningKind::as_str),
        filter.cursor.map(LearningId::as_uuid),
        limit
    )
    .fetch_all(db)
    .await
}
