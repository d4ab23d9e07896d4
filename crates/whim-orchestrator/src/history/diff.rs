//! Storing and reading the diffs of items.

use whim_core::protocol::diff::{Diff, DiffStored, MAX_DIFF_BYTES, MAX_DIFF_FILES, ReportDiff};
use whim_core::{WorkItemId, WorkerId};

use super::codec::{pack, unpack};
use crate::app::App;
use crate::db::{diffs, in_transaction, work_items};
use crate::error::Error;

/// Replaces the diff of the worker's item.
///
/// # Errors
/// A later attempt has stored one, a field is invalid, or Postgres is unavailable.
pub async fn report_diff(app: &App, worker: WorkerId, request: ReportDiff) -> Result<DiffStored, Error> {
    if request.files.len() > MAX_DIFF_FILES {
        return Err(Error::invalid(
            "files",
            format!("expected at most {MAX_DIFF_FILES}"),
        ));
    }
    let patches = request.files.iter().filter_map(|file| file.patch.as_deref());
    if patches.map(str::len).sum::<usize>() > MAX_DIFF_BYTES {
        let problem = format!("expected patches of at most {MAX_DIFF_BYTES} bytes together");
        return Err(Error::invalid("files", problem));
    }
    let packed = pack(&request).map_err(|error| sqlx::Error::Encode(error.into()))?;
    let is_stored = in_transaction(&app.database, async |db| {
        Ok::<_, Error>(diffs::replace(db, worker, &request.head_sha, &packed).await?)
    })
    .await?;
    if !is_stored {
        return Err(Error::LeaseLost { worker, now: None });
    }
    Ok(DiffStored {
        head_sha: request.head_sha,
    })
}

/// The diff of the latest push of an item; empty before the first.
///
/// # Errors
/// The item does not exist, or Postgres is unavailable.
pub async fn diff(app: &App, item: WorkItemId) -> Result<Diff, Error> {
    let Some(stored) = diffs::find(&app.database, item).await? else {
        if work_items::exists(&app.database, item).await? {
            return Ok(Diff::empty(item));
        }
        return Err(Error::NoSuchItem(item));
    };
    let report: ReportDiff = unpack(&stored.diff).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let truncated = report.is_truncated();
    let ReportDiff {
        base_sha,
        head_sha,
        files,
        file_count,
        additions,
        deletions,
    } = report;
    Ok(Diff {
        work_item_id: item,
        worker_id: Some(stored.worker),
        lease_epoch: Some(stored.lease_epoch),
        base_sha: Some(base_sha),
        head_sha: Some(head_sha),
        updated_at: Some(stored.updated_at),
        files,
        file_count,
        additions,
        deletions,
        truncated,
    })
}
