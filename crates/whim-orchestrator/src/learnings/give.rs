//! Gives an attempt its learnings, and records that.

use std::collections::HashMap;
use std::time::Duration;

use ralph_contract::SpecDocument;
use sha2::{Digest as _, Sha256};
use sqlx::PgPool;
use whim_core::protocol::learnings::{
    Learning, LearningsPreview, PreviewLearnings, PreviewedLearning, Relevance,
};
use whim_core::{LearningId, RepoName, WorkItemId, WorkerId};

use super::rank::{Method, diversify};
use super::render::{render, tokens};
use super::search::{Found, Pool, find};
use crate::app::App;
use crate::db::in_transaction;
use crate::db::learnings::{self as db, attempts};
use crate::error::Error;
use crate::metrics;

/// An attempt waits this long for the vectors of its spec; then words decide.
const EMBED_LIMIT: Duration = Duration::from_secs(5);
/// Parts of a spec that are searched for.
const MAX_QUERIES: usize = 24;
/// Longer parts are cut: the model reads 256 tokens.
const MAX_QUERY_CHARACTERS: usize = 1000;
/// Ranked learnings that are considered for the text.
const MAX_CONSIDERED: usize = 200;

/// The text of `learnings.md` for an attempt; empty if there are none, or if its item is of the holdout. The same
/// attempt gets the same text again.
///
/// # Errors
/// Postgres is unavailable.
pub async fn give(
    app: &App,
    worker: WorkerId,
    item: WorkItemId,
    repo: &RepoName,
    spec: &str,
) -> Result<String, Error> {
    if let Some(text) = attempts::text(&app.work_database, worker).await? {
        return Ok(text);
    }
    let chosen = choose(app, &app.work_database, repo, Some(item), spec).await?;
    let is_holdout = attempts::is_holdout(&app.work_database, item)
        .await?
        .unwrap_or_else(|| is_holdout(item, app.config.learnings.holdout_percent));
    let text = if is_holdout { "" } else { chosen.text.as_str() };
    let learnings: Vec<(LearningId, f32)> = chosen
        .given
        .iter()
        .map(|given| (given.learning.id, given.score()))
        .collect();
    let given = attempts::Given {
        worker,
        item,
        repo,
        is_holdout,
        learnings: &learnings,
        text,
    };
    let is_new = in_transaction(&app.work_database, async |db| attempts::record(db, &given).await).await?;
    if !is_new {
        // Another call of the same attempt came first.
        return Ok(attempts::text(&app.work_database, worker)
            .await?
            .unwrap_or_default());
    }
    if !is_holdout {
        metrics::learnings_given(learnings.len());
    }
    tracing::info!(work_item_id = %item, worker_id = %worker, count = learnings.len(), is_holdout, "chose learnings");
    Ok(text.to_owned())
}

/// What a spec would get, and why.
///
/// # Errors
/// Postgres is unavailable.
pub async fn preview(app: &App, request: &PreviewLearnings) -> Result<LearningsPreview, Error> {
    let chosen = choose(app, &app.database, &request.repo, None, &request.spec).await?;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(LearningsPreview {
        tokens: number(tokens(&chosen.text)),
        text: chosen.text,
        has_vectors: chosen.has_vectors,
        omitted: number(chosen.omitted),
        items: chosen.given,
    })
}

/// The learnings of a repository that match a query best, at most 200.
///
/// # Errors
/// Postgres is unavailable.
pub async fn search(
    app: &App,
    repo: &RepoName,
    query: &str,
    limit: Duration,
) -> Result<Vec<Learning>, Error> {
    let pool = Pool {
        repo,
        item: None,
        with_owner: false,
        limit,
        method: Method::Fused,
    };
    let found = find(&app.database, &app.embedder, &pool, &[query.to_owned()]).await?;
    let mut found = found;
    found.ranked.truncate(MAX_CONSIDERED);
    let found = with_relevance(&app.database, found).await?;
    Ok(found.into_iter().map(|found| found.learning).collect())
}

struct Chosen {
    text: String,
    given: Vec<PreviewedLearning>,
    omitted: usize,
    has_vectors: bool,
}

trait Score {
    fn score(&self) -> f32;
}

impl Score for PreviewedLearning {
    fn score(&self) -> f32 {
        self.learning
            .relevance
            .as_ref()
            .map_or(0.0, |relevance| relevance.score)
    }
}

async fn choose(
    app: &App,
    database: &PgPool,
    repo: &RepoName,
    item: Option<WorkItemId>,
    spec: &str,
) -> Result<Chosen, Error> {
    let pool = Pool {
        repo,
        item,
        with_owner: app.config.learnings.across_repositories,
        limit: EMBED_LIMIT,
        method: Method::Fused,
    };
    let mut found = find(database, &app.embedder, &pool, &parts(spec)).await?;
    found.ranked.truncate(MAX_CONSIDERED);
    let has_vectors = found.has_vectors;
    let ranked = diversify(&found.candidates, found.ranked);
    let found = Found { ranked, ..found };
    let ordered = with_relevance(database, found).await?;
    let learnings: Vec<&Learning> = ordered.iter().map(|item| &item.learning).collect();
    let rendered = render(&learnings, app.config.learnings.token_budget);
    let total = ordered.len();
    let mut ordered: Vec<Option<PreviewedLearning>> = ordered.into_iter().map(Some).collect();
    let given: Vec<PreviewedLearning> = rendered
        .given
        .iter()
        .filter_map(|index| ordered[*index].take())
        .collect();
    Ok(Chosen {
        omitted: total - given.len(),
        text: rendered.text,
        given,
        has_vectors,
    })
}

/// The found learnings in their order, with how they match.
async fn with_relevance(database: &PgPool, found: Found) -> Result<Vec<PreviewedLearning>, Error> {
    let ranked = found.ranked;
    let ids: Vec<LearningId> = ranked
        .iter()
        .map(|ranked| found.candidates[ranked.index].id)
        .collect();
    let mut learnings: HashMap<LearningId, Learning> = db::by_ids(database, &ids)
        .await?
        .into_iter()
        .map(|learning| (learning.id, learning))
        .collect();
    Ok(ranked
        .into_iter()
        .zip(ids)
        .filter_map(|(ranked, id)| {
            let mut learning = learnings.remove(&id)?;
            learning.relevance = Some(Relevance {
                score: ranked.score,
                similarity: ranked.similarity,
                words: ranked.words,
            });
            Some(PreviewedLearning {
                learning,
                query: found.queries[ranked.query].text.clone(),
            })
        })
        .collect())
}

/// The parts of a spec that are searched for: title with goal, and each open task. A text without tasks is one part.
fn parts(spec: &str) -> Vec<String> {
    let document = SpecDocument::parse(spec);
    let cut = |text: &str| text.chars().take(MAX_QUERY_CHARACTERS).collect::<String>();
    let introduction: Vec<&str> = spec
        .lines()
        .take_while(|line| line.trim() != "## Tasks")
        .map(|line| line.trim_start_matches('#').trim())
        .filter(|line| !line.is_empty() && *line != "Goal")
        .collect();
    let tasks = document.open_tasks().map(|task| cut(&task.text));
    let parts = std::iter::once(cut(&introduction.join(" "))).chain(tasks);
    parts
        .filter(|part| !part.trim().is_empty())
        .take(MAX_QUERIES)
        .collect()
}

/// Whether an item is of the arm without learnings, at its first attempt. Further attempts stay in the arm of the first.
fn is_holdout(item: WorkItemId, percent: u32) -> bool {
    let digest = Sha256::digest(item.as_uuid().as_bytes());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    number % 10_000 < percent * 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_is_searched_by_its_goal_and_its_open_tasks() {
        let spec =
            "# Greetings\n\n## Goal\nSay hello.\n\n## Tasks\n- [x] Done\n- [ ] Farewell\n  - In German\n";
        assert_eq!(parts(spec), ["Greetings Say hello.", "Farewell"]);
        assert_eq!(parts("just a text"), ["just a text"]);
        assert_eq!(parts(" \n"), Vec::<String>::new());
    }

    #[test]
    fn the_share_of_the_holdout_is_as_configured() {
        let items: Vec<WorkItemId> = (0..4000).map(|_| WorkItemId::new()).collect();
        let share = |percent| items.iter().filter(|item| is_holdout(**item, percent)).count();
        assert_eq!((share(0), share(100)), (0, 4000));
        // Ten standard deviations.
        let tenth = share(10);
        assert!((210..590).contains(&tenth), "{tenth}");
    }
}
