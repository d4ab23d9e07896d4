//! Derives the outcome of a run from its exit code, its events and the checklist.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use chrono::Utc;
use ralph_contract::{ExitCode, SpecDocument};
use whim_core::FailureCause;
use whim_service::chain::chain;

use super::progress::Progress;
use super::supervise::RunEnd;
use crate::outcome::Failure;
use crate::text::counted;
use crate::workspace::Workspace;

/// Returns the complete checklist, or why it is not complete.
pub(super) fn judge(
    end: RunEnd,
    progress: &Progress,
    assigned: &SpecDocument,
    workspace: &Workspace,
) -> Result<SpecDocument, Failure> {
    let crash = |reason: String| Err(crash(progress, &reason));
    let status = match end {
        RunEnd::Exited(status) => status,
        RunEnd::Hung => return crash("ralph printed nothing for too long and was terminated".to_owned()),
        RunEnd::GivenUp => {
            return crash("ralph was terminated, because its commits could not be pushed".to_owned());
        }
        RunEnd::NotStarted(error) => return crash(chain(&error).to_string()),
        RunEnd::SuperviseFailed(error) => return crash(format!("supervising ralph failed: {error}")),
    };
    match status.code().map(ExitCode::try_from) {
        Some(Ok(ExitCode::Complete)) => complete(progress, assigned, workspace),
        Some(Ok(ExitCode::Stuck)) => {
            let written = workspace.read_stuck_reason();
            if written.is_none() && progress.stuck().is_none() {
                return crash(
                    "ralph exited with the code 1 without the event `stuck`: check that RALPH_BIN names ralph of this release"
                        .to_owned(),
                );
            }
            Err(stuck(progress, written))
        }
        Some(Ok(ExitCode::IterationsUsedUp)) => Err(iterations_used_up(progress)),
        Some(Ok(ExitCode::Error)) => crash("ralph failed".to_owned()),
        Some(Err(_)) | None => crash(describe(status)),
    }
}

/// `ralph` reported success; the checklist must be complete, too.
fn complete(
    progress: &Progress,
    assigned: &SpecDocument,
    workspace: &Workspace,
) -> Result<SpecDocument, Failure> {
    let found = workspace.read_spec();
    let spec = assigned.reconcile(found.as_deref()).document;
    if spec.is_complete() {
        return Ok(spec);
    }
    let (open, total) = (spec.open_tasks().count(), spec.tasks().len());
    Err(crash(
        progress,
        &format!(
            "ralph reported that every task is done, but {open} of {total} tasks of the checklist are open"
        ),
    ))
}

fn stuck(progress: &Progress, written: Option<String>) -> Failure {
    let event = progress.stuck();
    let iterations_without_progress = event.map_or(0, |stuck| stuck.iterations_without_progress);
    if let Some(written) = written {
        return Failure::Stuck {
            reason: format!("the agent wrote why it cannot continue:\n\n{written}"),
            iterations_without_progress,
        };
    }
    if let Some(failure) = external_cause(progress) {
        return failure;
    }
    Failure::Stuck {
        reason: event.map_or_else(
            || "the agent makes no progress".to_owned(),
            |stuck| stuck.reason.clone(),
        ),
        iterations_without_progress,
    }
}

fn iterations_used_up(progress: &Progress) -> Failure {
    if let Some(failure) = external_cause(progress) {
        return failure;
    }
    let spec = progress.spec();
    let iterations = counted(u64::from(progress.iterations()), "iteration");
    let (done, total) = (spec.done_count(), spec.tasks().len());
    Failure::new(
        FailureCause::IterationsUsedUp,
        format!("the attempt used all of its iterations ({iterations}); {done} of {total} tasks are done"),
    )
}

fn crash(progress: &Progress, message: &str) -> Failure {
    if let Some(failure) = external_cause(progress) {
        return failure;
    }
    Failure::new(FailureCause::Crash, with_details(progress, message))
}

fn with_details(progress: &Progress, message: &str) -> String {
    let mut reason = message.to_owned();
    if let Some(error) = progress.error() {
        reason = format!("{reason}: {error}");
    }
    let lines = progress.last_lines();
    if !lines.is_empty() {
        reason = format!("{reason}\n\n{lines}");
    }
    reason
}

/// A failure that the agent did not cause: the model API failed, or a limit of the container was reached.
fn external_cause(progress: &Progress) -> Option<Failure> {
    model_unavailable(progress).or_else(|| limit_reached(progress))
}

fn limit_reached(progress: &Progress) -> Option<Failure> {
    let limit = progress.limit_hits().describe()?;
    let message = format!("in the last iteration {limit}");
    Some(Failure::new(
        FailureCause::Resources,
        with_details(progress, &message),
    ))
}

fn model_unavailable(progress: &Progress) -> Option<Failure> {
    let error = progress.model_api_error()?;
    Some(Failure::Failed {
        cause: error.cause,
        reason: format!("{}: {}", error.summary, error.message),
        // A reset time in the past is ignored: the item would be retried immediately.
        retry_after: error
            .resets_at
            .and_then(|reset| (reset - Utc::now()).to_std().ok()),
        tests: None,
    })
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ralph exited with the unknown code {code}"),
        (None, Some(signal)) => format!("ralph was killed by signal {signal}"),
        (None, None) => "ralph ended".to_owned(),
    }
}
