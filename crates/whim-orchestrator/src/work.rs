//! Work items, as people and intake see them: submitted, cancelled, requeued, and given their specification.

mod cancel;
mod explain;
mod requeue;
mod spec;
mod submit;

pub use self::cancel::cancel;
pub use self::explain::explain;
pub use self::requeue::requeue;
pub use self::spec::{fail_spec, hand_in_spec};
pub(crate) use self::submit::check_source_ref;
pub use self::submit::{Submitted, submit};

use sqlx::PgExecutor;
use whim_core::protocol::work::WorkItem;
use whim_core::{BranchName, RepoName, WorkItemId};

use crate::app::App;
use crate::db::work_items;
use crate::error::Error;

/// An item with its wide texts.
///
/// # Errors
/// There is none, or Postgres is away.
pub async fn find(app: &App, db: impl PgExecutor<'_>, id: WorkItemId) -> Result<WorkItem, Error> {
    work_items::find(db, id, max_retries(app))
        .await?
        .ok_or(Error::NoSuchItem(id))
}

/// The refusal of a second live item on a branch.
async fn branch_in_use(app: &App, repo: &RepoName, branch: BranchName) -> Result<Error, Error> {
    let holder = work_items::live_on_branch(&app.database, repo, &branch).await?;
    Ok(Error::BranchInUse { branch, holder })
}

/// How many retries an item has.
pub fn max_retries(app: &App) -> u32 {
    u32::try_from(app.config.lifecycle.retries.max_retries()).unwrap_or(u32::MAX)
}
