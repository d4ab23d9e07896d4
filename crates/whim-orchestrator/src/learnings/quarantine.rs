//! Learnings of agents wait for their pull request.

use whim_core::WorkItemId;
use whim_core::protocol::learnings::{PullRequestOutcome, Quarantined};

use crate::app::App;
use crate::db::in_transaction;
use crate::db::learnings::sources;
use crate::error::Error;

/// Records what GitHub says of an item's pull request: after a merge other items receive its learnings, and if it was closed
/// none does. Repeating it changes nothing.
///
/// # Errors
/// Postgres is unavailable.
pub async fn decide(app: &App, item: WorkItemId, outcome: PullRequestOutcome) -> Result<Quarantined, Error> {
    let decided = in_transaction(&app.database, async |db| {
        sources::decide(db, item, outcome).await.map_err(Error::from)
    })
    .await?;
    if decided.accepted > 0 {
        app.wakers.learnings.activate();
    }
    if decided
        != (Quarantined {
            accepted: 0,
            retired: 0,
        })
    {
        let Quarantined { accepted, retired } = decided;
        tracing::info!(work_item_id = %item, accepted, retired, "the pull request of learnings was decided");
    }
    Ok(decided)
}
