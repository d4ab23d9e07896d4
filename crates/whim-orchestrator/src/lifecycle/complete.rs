//! `POST /api/worker/:id/complete`, `/fail` and `/stuck`: the final report of a worker.
//!
//! The same report again gets the same response (`docs/faults.md`, row 18).

use std::time::Duration;

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};
use sqlx::PgConnection;
use url::Url;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::learnings::ReportedLearnings;
use whim_core::protocol::stats::WorkerStats;
use whim_core::protocol::worker::{AttemptEnded, Complete, Fail, Stuck};
use whim_core::{FailureCause, WorkItemStatus, WorkerStatus};

use super::after_end::worker_ended;
use super::attempt::{Attempt, Caller};
use super::end_attempt::end_locked;
use super::next_attempt::{AttemptEnd, EndedBy};
use super::usage::{bounded, reported};
use crate::app::App;
use crate::db::budget::{self, ReportedIterations};
use crate::db::work_items::{self, TaskCounts};
use crate::db::workers::{self, End, FinalReport, FinalResponse};
use crate::db::{heartbeats, in_transaction, storable};
use crate::error::Error;
use crate::learnings::store_reported;
use crate::metrics;

const MAX_URL_BYTES: usize = 2048;

/// Usage that a worker reports at its end.
#[derive(Clone, Copy, Debug)]
struct Used {
    iterations: u32,
    stats: WorkerStats,
}

/// Completes the item: its pull request is open.
///
/// # Errors
/// The item was taken away, the worker ended in another way before, a field is invalid, or Postgres is unavailable.
pub async fn complete(app: &App, caller: &Caller, request: Complete) -> Result<AttemptEnded, Error> {
    let Complete {
        pr_url,
        pr_number,
        head_sha,
        spec,
        tests,
        iterations,
        stats,
        learnings,
    } = request;
    check_pull_request_url(&pr_url)?;
    if spec.len() > MAX_SPEC_BYTES {
        return Err(Error::invalid(
            "spec",
            format!("expected at most {MAX_SPEC_BYTES} bytes"),
        ));
    }
    let document = SpecDocument::parse(storable(&spec));
    let tests = tests.map(storable_report);

    let checklist = (document.as_str(), &head_sha, TaskCounts::of(&document));
    let pull_request = (pr_url.as_str(), pr_number);
    let answer = AttemptEnded {
        status: WorkItemStatus::Completed,
        next_retry_at: None,
    };
    let final_response = FinalResponse {
        report: FinalReport::Complete,
        answer: answer.clone(),
    };
    let end = End {
        status: WorkerStatus::Completed,
        cause: None,
        error: None,
        tests: tests.as_ref(),
        final_response: Some(&final_response),
        stop_requested: false,
        stopped: false,
    };
    once(app, caller, FinalReport::Complete, async |db, attempt| {
        settle(db, caller, Used { iterations, stats }).await?;
        let (item, epoch) = (attempt.item.id, caller.lease_epoch);
        let won = work_items::complete(db, item, epoch, pull_request, checklist).await?
            && workers::end(db, caller.id, epoch, &end).await?;
        if !won {
            return Err(attempt.lease_lost());
        }
        store_reported(db, item, caller.id, &caller.repo, learnings).await?;
        tracing::info!(work_item_id = %item, worker_id = %caller.id, pr_url, "completed");
        Ok(answer)
    })
    .await
}

/// Ends the attempt without a pull request.
///
/// # Errors
/// The item was taken away, the worker ended in another way before, or Postgres is unavailable.
pub async fn fail(app: &App, caller: &Caller, request: Fail) -> Result<AttemptEnded, Error> {
    let Fail {
        cause,
        reason,
        retry_after_seconds,
        tests,
        iterations,
        stats,
        learnings,
    } = request;
    let end = AttemptEnd {
        cause,
        reason,
        retry_after: retry_after_seconds.map(Duration::from_secs),
        by: EndedBy::Worker(FinalReport::Fail),
    };
    end_without_pull_request(
        app,
        caller,
        &end,
        FinalReport::Fail,
        Used { iterations, stats },
        tests,
        learnings,
    )
    .await
}

/// Ends the attempt because the agent makes no progress.
///
/// # Errors
/// The item was taken away, the worker ended in another way before, or Postgres is unavailable.
pub async fn stuck(app: &App, caller: &Caller, request: Stuck) -> Result<AttemptEnded, Error> {
    let Stuck {
        reason,
        iterations_without_progress,
        iterations,
        stats,
        learnings,
    } = request;
    tracing::debug!(worker_id = %caller.id, iterations_without_progress, "the agent is stuck");
    let end = AttemptEnd {
        cause: FailureCause::Stuck,
        reason,
        retry_after: None,
        by: EndedBy::Worker(FinalReport::Stuck),
    };
    end_without_pull_request(
        app,
        caller,
        &end,
        FinalReport::Stuck,
        Used { iterations, stats },
        None,
        learnings,
    )
    .await
}

async fn end_without_pull_request(
    app: &App,
    caller: &Caller,
    end: &AttemptEnd,
    report: FinalReport,
    used: Used,
    tests: Option<TestReport>,
    learnings: ReportedLearnings,
) -> Result<AttemptEnded, Error> {
    let tests = tests.map(storable_report);
    once(app, caller, report, async |db, attempt| {
        settle(db, caller, used).await?;
        let ended = end_locked(app, &mut *db, attempt, end, tests.as_ref())
            .await?
            .ok_or_else(|| attempt.lease_lost())?;
        store_reported(db, attempt.item.id, caller.id, &caller.repo, learnings).await?;
        Ok(ended)
    })
    .await
}

/// Runs `finish` with the rows of a running worker locked. A worker that ended with the same report before gets the
/// stored response, and nothing changes.
async fn once(
    app: &App,
    caller: &Caller,
    report: FinalReport,
    finish: impl AsyncFnOnce(&mut PgConnection, &Attempt) -> Result<AttemptEnded, Error>,
) -> Result<AttemptEnded, Error> {
    let (answer, is_new) = in_transaction(&app.work_database, async |db| {
        let attempt = Attempt::lock(db, caller.id)
            .await?
            .ok_or(Error::NoSuchWorker(caller.id))?;
        match &attempt.worker.final_response {
            Some(stored) if stored.report == report => Ok((stored.answer.clone(), false)),
            Some(_another) => Err(Error::WorkerState {
                now: attempt.worker.status,
                asked: "end in another way",
            }),
            None => {
                attempt.require_running("end before it registered")?;
                Ok((finish(db, &attempt).await?, true))
            }
        }
    })
    .await?;
    if is_new {
        metrics::transition(answer.status);
        worker_ended(app, caller.id).await;
    }
    Ok(answer)
}

/// Records the worker's usage. What was reserved beyond it is released when the worker's row ends.
async fn settle(db: &mut PgConnection, caller: &Caller, used: Used) -> Result<(), Error> {
    let iterations = bounded(used.iterations, caller.max_iterations);
    heartbeats::settle(&mut *db, caller.id, iterations, reported(&used.stats)).await?;
    let used = ReportedIterations {
        worker: caller.id,
        first: 1,
        last: iterations,
    };
    budget::record_iterations(db, &[used]).await?;
    Ok(())
}

/// The URL becomes a link in comments and pages, where a scheme like `javascript:` would run.
fn check_pull_request_url(url: &str) -> Result<(), Error> {
    let valid = url.len() <= MAX_URL_BYTES
        && Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if valid {
        Ok(())
    } else {
        Err(Error::invalid(
            "prUrl",
            format!("expected an http or https URL of at most {MAX_URL_BYTES} bytes"),
        ))
    }
}

fn storable_report(mut report: TestReport) -> TestReport {
    let clean = |text: &mut String| *text = storable(text).into_owned();
    clean(&mut report.command);
    for check in &mut report.checks {
        clean(&mut check.name);
        clean(&mut check.command);
        if let Some(reason) = &mut check.reason {
            clean(reason);
        }
    }
    report
}
