//! Candidates of the search.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;
use whim_core::{LearningId, RepoName, WorkItemId};

/// Up to this number of vectors of a repository are compared one by one, which is exact and fast; beyond it, the index is
/// used, which finds 98 % of them.
pub const EXACT_SEARCH_LIMIT: i64 = 5_000;

/// Size of a repository's accepted learnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    pub learnings: i64,
    pub characters: i64,
}

/// The size of what other items may receive of a repository; counts at most `limit` learnings.
///
/// # Errors
/// Postgres is unavailable.
pub async fn pool_size(db: impl PgExecutor<'_>, repo: &RepoName, limit: i64) -> sqlx::Result<PoolSize> {
    let row = sqlx::query!(
        r#"select count(*) as "learnings!", coalesce(sum(length(text)), 0) as "characters!"
           from (
               select text from learnings
               where lower(repo) = lower($1) and accepted_at is not null and retired_at is null
               limit $2
           ) l"#,
        repo.as_str(),
        limit
    )
    .fetch_one(db)
    .await?;
    Ok(PoolSize {
        learnings: row.learnings,
        characters: row.characters,
    })
}

/// Whether a repository of the same owner has a learning with a vector.
///
/// # Errors
/// Postgres is unavailable.
pub async fn owner_has_any(db: impl PgExecutor<'_>, repo: &RepoName) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from learning_embeddings where split_part(repo, '/', 1) = split_part(lower($1), '/', 1)
           ) as "exists!""#,
        repo.as_str()
    )
    .fetch_one(db)
    .await
}

/// At most `limit` learnings of a repository, newest first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn newest(db: impl PgExecutor<'_>, repo: &RepoName, limit: i64) -> sqlx::Result<Vec<LearningId>> {
    sqlx::query_scalar!(
        r#"select id as "id: LearningId" from learnings
           where lower(repo) = lower($1) and accepted_at is not null and retired_at is null
           order by id desc
           limit $2"#,
        repo.as_str(),
        limit
    )
    .fetch_all(db)
    .await
}

/// Learnings that attempts of an item reported, quarantined or not.
///
/// # Errors
/// Postgres is unavailable.
pub async fn of_item(db: impl PgExecutor<'_>, item: WorkItemId) -> sqlx::Result<Vec<LearningId>> {
    sqlx::query_scalar!(
        r#"select distinct learning_id as "id: LearningId" from learning_sources where work_item_id = $1 limit 100"#,
        item.as_uuid()
    )
    .fetch_all(db)
    .await
}

/// Learnings of a repository that have all words, or those that have the most.
///
/// # Errors
/// Postgres is unavailable.
pub async fn by_words(
    db: impl PgExecutor<'_>,
    repo: &RepoName,
    words: &[String],
    all: bool,
    limit: i64,
) -> sqlx::Result<Vec<LearningId>> {
    sqlx::query_scalar!(
        r#"select id as "id: LearningId" from learnings
           where lower(repo) = lower($1) and accepted_at is not null and retired_at is null
             and words && $2 and (not $3 or words @> $2)
           order by (select count(*) from unnest(words) word where word = any($2)) desc, id desc
           limit $4"#,
        repo.as_str(),
        words,
        all,
        limit
    )
    .fetch_all(db)
    .await
}

/// The nearest learnings of each vector in a repository: at most `limit` per vector.
///
/// # Errors
/// Postgres is unavailable.
pub async fn nearest(
    db: &mut PgConnection,
    repo: &RepoName,
    model: &str,
    vectors: &[&[f32]],
    limit: i64,
) -> sqlx::Result<Vec<LearningId>> {
    let (repo, vectors) = (repo.as_str().to_ascii_lowercase(), literals(vectors));
    let size = sqlx::query_scalar!(
        r#"select count(*) as "count!" from (select from learning_embeddings where repo = $1 limit $2) e"#,
        repo,
        EXACT_SEARCH_LIMIT + 1
    )
    .fetch_one(&mut *db)
    .await?;
    if size <= EXACT_SEARCH_LIMIT {
        // Adding 0 keeps the planner from the index, which it would take even for a few rows.
        return sqlx::query_scalar!(
            r#"with queries as materialized (select v::halfvec(384) as vector from unnest($3::text[]) v)
               select distinct n.learning_id as "id: LearningId"
               from queries q cross join lateral (
                   select e.learning_id from learning_embeddings e
                   where e.repo = $1 and e.model = $2
                   order by (e.embedding <=> q.vector) + 0
                   limit $4
               ) n"#,
            repo,
            model,
            &vectors,
            limit
        )
        .fetch_all(db)
        .await;
    }
    iterate_index(&mut *db).await?;
    sqlx::query_scalar!(
        r#"with queries as materialized (select v::halfvec(384) as vector from unnest($3::text[]) v)
           select distinct n.learning_id as "id: LearningId"
           from queries q cross join lateral (
               select e.learning_id from learning_embeddings e
               where e.repo = $1 and e.model = $2
               order by e.embedding <=> q.vector
               limit $4
           ) n"#,
        repo,
        model,
        &vectors,
        limit
    )
    .fetch_all(db)
    .await
}

/// The nearest learnings in other repositories of the owner.
///
/// # Errors
/// Postgres is unavailable.
pub async fn nearest_of_owner(
    db: &mut PgConnection,
    repo: &RepoName,
    model: &str,
    vectors: &[&[f32]],
    limit: i64,
) -> sqlx::Result<Vec<LearningId>> {
    let (repo, vectors) = (repo.as_str().to_ascii_lowercase(), literals(vectors));
    iterate_index(&mut *db).await?;
    sqlx::query_scalar!(
        r#"with queries as materialized (select v::halfvec(384) as vector from unnest($3::text[]) v)
           select distinct n.learning_id as "id: LearningId"
           from queries q cross join lateral (
               select e.learning_id from learning_embeddings e
               where split_part(e.repo, '/', 1) = split_part($1, '/', 1) and e.repo <> $1 and e.model = $2
               order by e.embedding <=> q.vector
               limit $4
           ) n"#,
        repo,
        model,
        &vectors,
        limit
    )
    .fetch_all(db)
    .await
}

/// For the transaction: a search through the index goes on until enough rows pass the filter. Without it, a filtered search
/// finds almost nothing.
async fn iterate_index(db: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("set local hnsw.iterative_scan = relaxed_order; set local hnsw.ef_search = 100")
        .execute(db)
        .await?;
    Ok(())
}

/// Vectors in pgvector's notation.
fn literals(vectors: &[&[f32]]) -> Vec<String> {
    vectors
        .iter()
        .map(|vector| {
            let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
            format!("[{}]", numbers.join(","))
        })
        .collect()
}

/// What the ranking needs of a learning.
#[derive(Clone, Debug)]
pub struct CandidateRow {
    pub id: LearningId,
    pub repo: RepoName,
    pub words: Vec<String>,
    pub vector: Option<Vec<f32>>,
    pub is_pinned: bool,
    pub has_missing_citations: bool,
    pub sources: i64,
    pub shown: i64,
    pub cited: i64,
    pub age_days: f64,
}

/// Those of `ids` that an attempt of `item` may receive: not retired, and accepted or of the item itself.
///
/// # Errors
/// Postgres is unavailable.
pub async fn load(
    db: impl PgExecutor<'_>,
    ids: &[LearningId],
    model: &str,
    item: Option<WorkItemId>,
) -> sqlx::Result<Vec<CandidateRow>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    sqlx::query_as!(
        CandidateRow,
        r#"select l.id as "id: LearningId", l.repo as "repo: RepoName", l.words,
                  e.embedding::real[] as "vector?: Vec<f32>",
                  l.pinned_at is not null as "is_pinned!",
                  cardinality(l.missing_citations) > 0 as "has_missing_citations!",
                  (select count(*) from learning_sources s where s.learning_id = l.id) as "sources!",
                  (select count(*) from learning_injections i where i.learning_id = l.id) as "shown!",
                  (select count(*) from learning_injections i where i.learning_id = l.id and i.is_cited) as "cited!",
                  (extract(epoch from now() - l.created_at) / 86400)::float8 as "age_days!"
           from learnings l
           left join learning_embeddings e on e.learning_id = l.id and e.model = $2
           where l.id = any($1) and l.retired_at is null
             and (
                 l.accepted_at is not null
                 or exists (select from learning_sources s where s.learning_id = l.id and s.work_item_id = $3)
             )"#,
        &ids,
        model,
        item.map(WorkItemId::as_uuid)
    )
    .fetch_all(db)
    .await
}
