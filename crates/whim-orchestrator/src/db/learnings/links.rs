//! Learnings of a repository that are near each other.

use sqlx::{PgConnection, PgExecutor};
use whim_core::LearningId;

/// A learning near another one.
#[derive(Clone, Debug)]
pub struct Neighbour {
    pub id: LearningId,
    pub text: String,
    pub similarity: f64,
}

/// Learnings of the same repository whose vector is at least as near as `similarity`, the nearest first; at most 20.
///
/// # Errors
/// Postgres is unavailable.
pub async fn neighbours(
    db: &mut PgConnection,
    id: LearningId,
    similarity: f64,
) -> sqlx::Result<Vec<Neighbour>> {
    sqlx::raw_sql("set local hnsw.iterative_scan = relaxed_order")
        .execute(&mut *db)
        .await?;
    sqlx::query_as!(
        Neighbour,
        r#"select n.id as "id!: LearningId", n.text as "text!", n.similarity as "similarity!"
           from learning_embeddings own
           cross join lateral (
               select l.id, l.text, 1 - (e.embedding <=> own.embedding) as similarity
               from learning_embeddings e join learnings l on l.id = e.learning_id
               where e.repo = own.repo and e.model = own.model and e.learning_id <> own.learning_id
               order by e.embedding <=> own.embedding
               limit 20
           ) n
           where own.learning_id = $1 and n.similarity >= $2
           order by n.similarity desc"#,
        id.as_uuid(),
        similarity
    )
    .fetch_all(db)
    .await
}

/// Links two learnings, in whichever order.
///
/// # Errors
/// Postgres is unavailable.
pub async fn link(
    db: &mut PgConnection,
    (a, b): (LearningId, LearningId),
    similarity: f64,
    contradicts: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into learning_links (learning_id, other_id, contradicts, similarity) values ($1, $2, $3, $4)
         on conflict (learning_id, other_id)
         do update set contradicts = excluded.contradicts, similarity = excluded.similarity",
        a.min(b).as_uuid(),
        a.max(b).as_uuid(),
        contradicts,
        similarity as f32
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes the links of a learning.
///
/// # Errors
/// Postgres is unavailable.
pub async fn unlink(db: impl PgExecutor<'_>, id: LearningId) -> sqlx::Result<()> {
    sqlx::query!(
        "delete from learning_links where $1 in (learning_id, other_id)",
        id.as_uuid()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Moves the sources and the record of `from` to `into`, and removes `from`. Within a transaction.
///
/// # Errors
/// Postgres is unavailable.
pub async fn merge(db: &mut PgConnection, from: LearningId, into: LearningId) -> sqlx::Result<()> {
    let (from, into) = (from.as_uuid(), into.as_uuid());
    sqlx::query!(
        "update learning_sources s set learning_id = $2
         where learning_id = $1
           and not exists (select from learning_sources o
               where o.learning_id = $2 and o.worker_id is not distinct from s.worker_id
           )",
        from,
        into
    )
    .execute(&mut *db)
    .await?;
    // An agent that received both used the advice if it used one of them.
    sqlx::query!(
        "update learning_injections o set is_cited = true
         from learning_injections i
         where i.learning_id = $1 and i.is_cited and o.learning_id = $2 and o.worker_id = i.worker_id",
        from,
        into
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update learning_injections i set learning_id = $2
         where learning_id = $1
           and not exists (select from learning_injections o where o.learning_id = $2 and o.worker_id = i.worker_id)",
        from,
        into
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "update learnings l set pinned_at = coalesce(l.pinned_at, f.pinned_at),
                restored_at = greatest(l.restored_at, f.restored_at)
         from learnings f where l.id = $2 and f.id = $1",
        from,
        into
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!("delete from learnings where id = $1", from)
        .execute(db)
        .await?;
    Ok(())
}
