//! Finds learnings for queries: candidates from Postgres, in the order of [`super::rank`].

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::PgPool;
use whim_core::{LearningId, RepoName, WorkItemId};
use whim_service::chain::chain;

use super::Embedder;
use super::rank::{Candidate, MAX_NAME_WORDS, Method, Place, Query, Ranked, rank};
use crate::db::in_transaction;
use crate::db::learnings::candidates::{self, CandidateRow};

/// A repository with fewer learnings is ranked completely.
const SMALL_POOL: i64 = 200;
/// Candidates per query.
const NEAREST: i64 = 100;
const NEAREST_OF_OWNER: i64 = 20;
const BY_WORDS: i64 = 200;
const WITH_ALL_WORDS: i64 = 50;
/// Learnings of other repositories that are less similar are left out.
const MIN_SIMILARITY_OF_OTHERS: f32 = 0.45;

/// Where to search, and for whom.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    pub repo: &'a RepoName,
    /// Its own learnings count at once.
    pub item: Option<WorkItemId>,
    /// Whether learnings of other repositories of the owner are searched.
    pub with_owner: bool,
    /// Time for embedding the queries; without vectors, words decide.
    pub limit: Duration,
    pub method: Method,
}

/// The result of a search.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub queries: Vec<Query>,
    pub candidates: Vec<Candidate>,
    /// The best first.
    pub ranked: Vec<Ranked>,
    pub has_vectors: bool,
}

/// Finds the learnings that match the queries best.
///
/// # Errors
/// Postgres is unavailable.
pub async fn find(
    database: &PgPool,
    embedder: &Embedder,
    pool: &Pool<'_>,
    texts: &[String],
) -> sqlx::Result<Found> {
    let mut ids = BTreeSet::new();
    let own: BTreeSet<LearningId> = match pool.item {
        Some(item) => candidates::of_item(database, item).await?.into_iter().collect(),
        None => BTreeSet::new(),
    };
    ids.extend(&own);
    let size = candidates::pool_size(database, pool.repo, SMALL_POOL + 1).await?;
    let is_empty = size.learnings == 0 && own.is_empty();
    if is_empty && !(pool.with_owner && candidates::owner_has_any(database, pool.repo).await?) {
        // Without an embedder that starts for nothing.
        return Ok(Found::default());
    }
    let queries = queries(embedder, pool, texts).await;
    let has_vectors = queries.iter().any(|query| query.vector().is_some());
    let model = embedder.model();
    if size.learnings <= SMALL_POOL {
        ids.extend(candidates::newest(database, pool.repo, SMALL_POOL).await?);
    } else {
        ids.extend(large_pool(database, pool, &queries, &model).await?);
    }
    if pool.with_owner && has_vectors {
        let vectors: Vec<&[f32]> = queries.iter().filter_map(Query::vector).collect();
        let others = in_transaction(database, async |db| {
            candidates::nearest_of_owner(db, pool.repo, &model, &vectors, NEAREST_OF_OWNER).await
        });
        ids.extend(others.await?);
    }
    let ids: Vec<LearningId> = ids.into_iter().collect();
    let rows = candidates::load(database, &ids, &model, pool.item).await?;
    let candidates: Vec<Candidate> = rows
        .into_iter()
        .map(|row| candidate(row, pool.repo, &own))
        .collect();
    let mut ranked = rank(&candidates, &queries, pool.method);
    ranked.retain(|ranked| {
        candidates[ranked.index].place != Place::OtherRepo
            || ranked
                .similarity
                .is_some_and(|similarity| similarity >= MIN_SIMILARITY_OF_OTHERS)
    });
    Ok(Found {
        queries,
        candidates,
        ranked,
        has_vectors,
    })
}

async fn queries(embedder: &Embedder, pool: &Pool<'_>, texts: &[String]) -> Vec<Query> {
    let vectors = if pool.method == Method::Words {
        Vec::new()
    } else {
        embedder.embed(texts, pool.limit).await.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "searching learnings by words only");
            Vec::new()
        })
    };
    let mut vectors = vectors.into_iter();
    texts
        .iter()
        .map(|text| Query::new(text, vectors.next()))
        .collect()
}

/// The nearest ones of each query, and those with all of its words if it is a name. Without vectors: those with the most
/// words.
async fn large_pool(
    database: &PgPool,
    pool: &Pool<'_>,
    queries: &[Query],
    model: &str,
) -> sqlx::Result<Vec<LearningId>> {
    let vectors: Vec<&[f32]> = queries.iter().filter_map(Query::vector).collect();
    let mut ids = Vec::new();
    if !vectors.is_empty() {
        let nearest = in_transaction(database, async |db| {
            candidates::nearest(db, pool.repo, model, &vectors, NEAREST).await
        });
        ids.extend(nearest.await?);
    }
    for query in queries {
        let words = query.words();
        let is_name = words.len() <= MAX_NAME_WORDS;
        if words.is_empty() || (!vectors.is_empty() && !is_name) {
            continue;
        }
        let limit = if vectors.is_empty() {
            BY_WORDS
        } else {
            WITH_ALL_WORDS
        };
        ids.extend(candidates::by_words(database, pool.repo, words, !vectors.is_empty(), limit).await?);
    }
    Ok(ids)
}

fn candidate(row: CandidateRow, repo: &RepoName, own: &BTreeSet<LearningId>) -> Candidate {
    let count = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let place = if own.contains(&row.id) {
        Place::SameItem
    } else if row.repo.as_str().eq_ignore_ascii_case(repo.as_str()) {
        Place::SameRepo
    } else {
        Place::OtherRepo
    };
    Candidate {
        id: row.id,
        words: row.words,
        vector: row.vector,
        place,
        is_pinned: row.is_pinned,
        has_missing_citations: row.has_missing_citations,
        sources: count(row.sources),
        shown: count(row.shown),
        cited: count(row.cited),
        age_days: row.age_days as f32,
    }
}
