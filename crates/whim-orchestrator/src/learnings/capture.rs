//! Stores what workers and people report.

use sqlx::PgConnection;
use whim_core::protocol::learnings::{
    CreateLearning, Learning, LearningDetails, MAX_LEARNINGS_PER_ATTEMPT, ReportedLearning,
    ReportedLearnings, UpdateLearning,
};
use whim_core::{LearningId, RelativePath, RepoName, WorkItemId, WorkerId};

use super::normal;
use super::screen::{Rejected, screen};
use super::words::words;
use crate::app::App;
use crate::db::learnings::{self as db, Indexed, NewLearning, attempts, lock, sources};
use crate::db::{in_transaction, storable};
use crate::error::Error;
use crate::metrics;
use crate::validate::{self, MAX_REASON_CHARACTERS};

/// Citations and uses beyond these are dropped.
const MAX_CITATIONS: usize = 20;
const MAX_USED: usize = 100;
/// Sources of a learning that its details list.
const MAX_LISTED_SOURCES: i64 = 100;

/// Stores the learnings of an attempt, within the transaction that ends it. What is refused is logged, and the report counts.
///
/// # Errors
/// Postgres is unavailable.
pub async fn store_reported(
    database: &mut PgConnection,
    item: WorkItemId,
    worker: WorkerId,
    repo: &RepoName,
    reported: ReportedLearnings,
) -> Result<(), Error> {
    let ReportedLearnings { new, used } = reported;
    let dropped = new.len().saturating_sub(MAX_LEARNINGS_PER_ATTEMPT);
    if dropped > 0 {
        tracing::warn!(work_item_id = %item, worker_id = %worker, dropped, "an attempt reported too many learnings");
    }
    let mut screened: Vec<Screened> = Vec::new();
    for learning in new.into_iter().take(MAX_LEARNINGS_PER_ATTEMPT) {
        match Screened::of(learning, repo) {
            Ok(learning) => screened.push(learning),
            Err((text, rejected)) => {
                metrics::learning_refused();
                tracing::warn!(
                    work_item_id = %item, worker_id = %worker, text,
                    "refused a learning that {}", rejected.as_str()
                );
            }
        }
    }
    // Known ones are locked in one order and new ones inserted in another, so that reports do not wait for each other.
    screened.sort_by(|a, b| a.indexed.hash.cmp(&b.indexed.hash));
    let hashes: Vec<&[u8]> = screened
        .iter()
        .map(|learning| learning.indexed.hash.as_slice())
        .collect();
    lock::by_text(&mut *database, repo, &hashes).await?;
    for learning in &screened {
        let new = NewLearning {
            content: &learning.content,
            indexed: &learning.indexed,
            citations: &learning.citations,
            missing_citations: &learning.missing_citations,
            is_accepted: false,
        };
        let id = db::insert(&mut *database, &new).await?;
        sources::add_attempt(&mut *database, id, item, worker).await?;
        metrics::learning_stored();
    }
    let used: Vec<i32> = used
        .into_iter()
        .take(MAX_USED)
        .filter_map(|position| i32::try_from(position).ok())
        .collect();
    if !used.is_empty() {
        attempts::cite(database, worker, &used).await?;
    }
    Ok(())
}

/// Stores a learning that a person writes.
///
/// # Errors
/// The text is no learning, or Postgres is unavailable.
pub async fn create(app: &App, content: CreateLearning) -> Result<Learning, Error> {
    let text = screened("text", &content.text)?;
    let content = CreateLearning { text, ..content };
    let indexed = indexed(&content.text);
    let id = in_transaction(&app.database, async |database| {
        let new = NewLearning {
            content: &content,
            indexed: &indexed,
            citations: &[],
            missing_citations: &[],
            is_accepted: true,
        };
        let id = db::insert(&mut *database, &new).await?;
        sources::add_person(database, id).await?;
        Ok::<_, Error>(id)
    })
    .await?;
    app.wakers.learnings.activate();
    db::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchLearning(id))
}

/// Changes a learning.
///
/// # Errors
/// There is none, the text is no learning or that of another one, or Postgres is unavailable.
pub async fn update(app: &App, id: LearningId, change: UpdateLearning) -> Result<Learning, Error> {
    let change = UpdateLearning {
        text: change.text.map(|text| screened("text", &text)).transpose()?,
        ..change
    };
    let indexed = change.text.as_deref().map(indexed);
    match db::update(&app.database, id, &change, indexed.as_ref()).await? {
        Ok(true) => {}
        Ok(false) => return Err(Error::NoSuchLearning(id)),
        Err(db::SameText) => {
            return Err(Error::invalid(
                "text",
                "is that of another learning of the repository; retire one of them",
            ));
        }
    }
    app.wakers.learnings.activate();
    db::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchLearning(id))
}

/// A learning with its sources and its record.
///
/// # Errors
/// There is none, or Postgres is unavailable.
pub async fn details(app: &App, id: LearningId) -> Result<LearningDetails, Error> {
    let learning = db::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchLearning(id))?;
    Ok(LearningDetails {
        learning,
        sources: sources::of_learning(&app.database, id, MAX_LISTED_SOURCES).await?,
        record: attempts::record_of(&app.database, id).await?,
    })
}

fn screened(field: &'static str, text: &str) -> Result<String, Error> {
    validate::text(field, text, MAX_REASON_CHARACTERS)?;
    screen(text).map_err(|rejected| Error::invalid(field, rejected.as_str()))
}

/// What is stored of a text besides it.
pub fn indexed(text: &str) -> Indexed {
    Indexed {
        hash: normal::hash(text),
        words: words(text),
        cited: normal::cited(text).map(str::to_owned).collect(),
    }
}

/// A reported learning that was not refused.
struct Screened {
    content: CreateLearning,
    indexed: Indexed,
    citations: Vec<String>,
    missing_citations: Vec<String>,
}

impl Screened {
    /// Or its text, and why that is refused.
    fn of(learning: ReportedLearning, repo: &RepoName) -> Result<Self, (String, Rejected)> {
        let ReportedLearning {
            kind,
            text,
            citations,
            missing_citations,
        } = learning;
        let text = screen(&storable(&text)).map_err(|rejected| (text, rejected))?;
        let indexed = indexed(&text);
        let citations = paths_of(citations, &indexed.cited);
        Ok(Self {
            missing_citations: paths_of(missing_citations, &citations),
            citations,
            indexed,
            content: CreateLearning {
                repo: repo.clone(),
                kind,
                text,
            },
        })
    }
}

/// The `reported` ones that are paths in a repository and among `named`. Agents read them, so they may say nothing that the
/// screened text does not say.
fn paths_of(reported: Vec<String>, named: &[String]) -> Vec<String> {
    reported
        .into_iter()
        .filter(|path| named.contains(path) && RelativePath::parse(path).is_ok())
        .take(MAX_CITATIONS)
        .collect()
}
