//! Helpers that the operations on work items share.

use sqlx::PgExecutor;
use whim_core::protocol::work::WorkItem;
use whim_core::{BranchName, RepoName, WorkItemId};

use crate::app::App;
use crate::db::work_items;
use crate::error::Error;

/// Longest description.
pub(super) const MAX_DESCRIPTION_CHARACTERS: usize = 256 * 1024;

/// An item with its wide texts.
///
/// # Errors
/// There is no such item, or Postgres is unavailable.
pub async fn find(app: &App, db: impl PgExecutor<'_>, id: WorkItemId) -> Result<WorkItem, Error> {
    work_items::find(db, id, max_retries(app))
        .await?
        .ok_or(Error::NoSuchItem(id))
}

/// The error for a second live item on a branch.
pub(super) async fn branch_in_use(app: &App, repo: &RepoName, branch: BranchName) -> Result<Error, Error> {
    let holder = work_items::live_on_branch(&app.database, repo, &branch).await?;
    Ok(Error::BranchInUse { branch, holder })
}

/// Retries of an item for each failure cause.
pub fn max_retries(app: &App) -> u32 {
    u32::try_from(app.config.lifecycle.retries.max_retries()).unwrap_or(u32::MAX)
}
