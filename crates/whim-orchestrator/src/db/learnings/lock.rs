//! Locks on learnings, until the end of a transaction. In the order of identifiers, so that transactions that lock several do
//! not wait for each other.

use sqlx::PgExecutor;
use uuid::Uuid;
use whim_core::RepoName;

/// Locks learnings.
///
/// # Errors
/// Postgres is unavailable.
pub async fn by_ids(db: impl PgExecutor<'_>, ids: &[Uuid]) -> sqlx::Result<()> {
    sqlx::query!(
        "select from learnings where id = any($1) order by id for no key update",
        ids
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Locks the learnings of a repository whose text has one of these hashes.
///
/// # Errors
/// Postgres is unavailable.
pub async fn by_text(db: impl PgExecutor<'_>, repo: &RepoName, hashes: &[&[u8]]) -> sqlx::Result<()> {
    sqlx::query!(
        "select from learnings where lower(repo) = lower($1) and text_hash = any($2) order by id for no key update",
        repo.as_str(),
        hashes as &[&[u8]]
    )
    .execute(db)
    .await?;
    Ok(())
}
