//! What the end of a run means.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use chrono::Utc;
use ralph_contract::{ExitCode, SpecDocument};
use whim_core::FailureCause;
use whim_service::chain::chain;

use super::progress::Progress;
use super::supervise::RunEnd;
use crate::memory;
use crate::outcome::Failure;
use crate::text::counted;
use crate::workspace::Workspace;

/// The checklist as it ended when every task is done, or why not.
pub(super) fn judge(
    end: RunEnd,
    progress: &Progress,
    assigned: &SpecDocument,
    workspace: &Workspace,
) -> Result<SpecDocument, Failure> {
    let crash = |reason: String| Err(crash(progress, &reason));
    let status = match end {
        RunEnd::Exited(status) => status,
        RunEnd::Hung => return crash("ralph was silent for too long and was ended".to_owned()),
        RunEnd::GivenUp => return crash("ralph was ended, because its work could not be pushed".to_owned()),
        RunEnd::NotStarted(error) => return crash(chain(&error).to_string()),
        RunEnd::Unwatched(error) => return crash(format!("watching ralph failed: {error}")),
    };
    match status.code().map(ExitCode::try_from) {
        Some(Ok(ExitCode::Complete)) => complete(progress, assigned, workspace),
        Some(Ok(ExitCode::Stuck)) => Err(stuck(progress, workspace.read_stuck_note())),
        Some(Ok(ExitCode::IterationsUsedUp)) => Err(iterations_used_up(progress)),
        Some(Ok(ExitCode::Error)) => crash("ralph failed".to_owned()),
        Some(Err(_)) | None => crash(describe(status)),
    }
}

/// `ralph` says that all is done: the file has to say so too.
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
        &format!("ralph said that every task is done, but in the checklist {open} of {total} are open"),
    ))
}

fn stuck(progress: &Progress, note: Option<String>) -> Failure {
    let event = progress.stuck();
    let iterations_without_progress = event.map_or(0, |stuck| stuck.iterations_without_progress);
    if let Some(note) = note {
        return Failure::Stuck {
            reason: note,
            iterations_without_progress,
        };
    }
    if let Some(failure) = not_its_fault(progress) {
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
    if let Some(failure) = not_its_fault(progress) {
        return failure;
    }
    let spec = progress.spec();
    let iterations = counted(u64::from(progress.iterations()), "iteration");
    let (done, total) = (spec.done_count(), spec.tasks().len());
    Failure::new(
        FailureCause::IterationsUsedUp,
        format!(
            "the iterations of this attempt are used up ({iterations}); {done} of {total} tasks are done"
        ),
    )
}

fn crash(progress: &Progress, what: &str) -> Failure {
    if let Some(failure) = not_its_fault(progress) {
        return failure;
    }
    Failure::new(FailureCause::Crash, with_details(progress, what))
}

fn with_details(progress: &Progress, what: &str) -> String {
    let mut reason = what.to_owned();
    if let Some(error) = progress.error() {
        reason = format!("{reason}: {error}");
    }
    let lines = progress.last_lines();
    if !lines.is_empty() {
        reason = format!("{reason}\n\n{lines}");
    }
    reason
}

/// Why nothing got done, where that is nothing that the agent did: nobody answered it, or it was killed.
fn not_its_fault(progress: &Progress) -> Option<Failure> {
    model_unavailable(progress).or_else(|| out_of_memory(progress))
}

fn out_of_memory(progress: &Progress) -> Option<Failure> {
    let kills = progress.kills();
    (kills > 0).then(|| {
        let what = format!("in the last iteration {}", memory::told(kills));
        Failure::new(FailureCause::OutOfMemory, with_details(progress, &what))
    })
}

fn model_unavailable(progress: &Progress) -> Option<Failure> {
    let trouble = progress.trouble()?;
    Some(Failure::Failed {
        cause: trouble.cause,
        reason: format!("{}: {}", trouble.what, trouble.message),
        // One that is over is as good as none that is known: it would be tried at once.
        retry_after: trouble
            .resets_at
            .and_then(|reset| (reset - Utc::now()).to_std().ok()),
        tests: None,
    })
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ralph exited with code {code}, which is none of its own"),
        (None, Some(signal)) => format!("ralph was ended by signal {signal}"),
        (None, None) => "ralph ended".to_owned(),
    }
}
