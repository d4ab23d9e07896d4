//! Vectors of learnings. Only those have one that other items may receive.

use sqlx::PgExecutor;
use whim_core::{LearningId, RepoName};

/// A learning without a vector of the current model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unembedded {
    pub id: LearningId,
    pub repo: RepoName,
    pub text: String,
    pub text_hash: Vec<u8>,
}

/// At most `limit` learnings that `model` has not embedded.
///
/// # Errors
/// Postgres is unavailable.
pub async fn missing(db: impl PgExecutor<'_>, model: &str, limit: i64) -> sqlx::Result<Vec<Unembedded>> {
    sqlx::query_as!(
        Unembedded,
        r#"select l.id as "id: LearningId", l.repo as "repo: RepoName", l.text, l.text_hash
           from learnings l
           where l.accepted_at is not null and l.retired_at is null
             and not exists (select from learning_embeddings e where e.learning_id = l.id and e.model = $1)
           order by l.id desc
           limit $2"#,
        model,
        limit
    )
    .fetch_all(db)
    .await
}

/// Stores a vector, unless the text has changed or the learning was retired since. Returns whether it did.
///
/// # Errors
/// Postgres is unavailable.
pub async fn put(
    db: impl PgExecutor<'_>,
    of: &Unembedded,
    model: &str,
    vector: &[f32],
) -> sqlx::Result<bool> {
    let stored = sqlx::query!(
        "insert into learning_embeddings (learning_id, repo, model, embedding)
         select l.id, lower(l.repo), $3, $4::real[]::halfvec(384)
         from learnings l
         where l.id = $1 and l.text_hash = $2 and l.retired_at is null
         for update
         on conflict (learning_id) do update set model = excluded.model, embedding = excluded.embedding",
        of.id.as_uuid(),
        of.text_hash,
        model,
        vector
    )
    .execute(db)
    .await?;
    Ok(stored.rows_affected() > 0)
}
