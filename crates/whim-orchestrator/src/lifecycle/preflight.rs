//! `POST /api/worker/:id/preflight`.

use whim_core::protocol::preflight::{MAX_CHECKS, MAX_MESSAGE_BYTES, PreflightCheck, ReportPreflight};

use super::attempt::{Attempt, Caller};
use crate::app::App;
use crate::db::preflights::{self, NewPreflight};
use crate::db::{in_transaction, storable, work_items};
use crate::error::Error;

/// Stores what a worker found out about its repository before it starts an agent. Item and repository are the worker's own
/// (`docs/attacks.md`, row 24).
///
/// # Errors
/// The item was taken away, a field is invalid, or Postgres is unavailable.
pub async fn preflight(app: &App, caller: &Caller, request: ReportPreflight) -> Result<(), Error> {
    let ReportPreflight { base, checks } = request;
    if checks.len() > MAX_CHECKS {
        return Err(Error::invalid("checks", format!("expected at most {MAX_CHECKS}")));
    }
    for check in &checks {
        let bytes = check.message.as_ref().map_or(0, String::len);
        if bytes > MAX_MESSAGE_BYTES {
            let subject = check.subject.as_str();
            return Err(Error::invalid(
                "checks",
                format!(
                    "the message about `{subject}` has {bytes} bytes; at most {MAX_MESSAGE_BYTES} are accepted"
                ),
            ));
        }
    }
    // The messages quote a foreign repository, so they may contain anything.
    let checks: Vec<PreflightCheck> = checks
        .into_iter()
        .map(|check| PreflightCheck {
            message: check.message.map(|text| storable(&text).into_owned()),
            ..check
        })
        .collect();
    in_transaction(&app.work_database, async |db| {
        let attempt = Attempt::lock(db, caller.id)
            .await?
            .ok_or(Error::NoSuchWorker(caller.id))?;
        attempt.require_running("report a preflight before it registered")?;
        let item = attempt.item.id;
        let task = work_items::task(&mut *db, item)
            .await?
            .ok_or(Error::NoSuchItem(item))?;
        let found = NewPreflight {
            repo: &task.repo,
            worker_id: caller.id,
            work_item_id: item,
            branch: &task.branch,
            base: base.as_ref(),
            checks: &checks,
        };
        preflights::replace(db, found).await?;
        Ok(())
    })
    .await
}
