//! Runs `ralph`, acts on its events, and pushes its commits.

mod command;
mod ending;
mod progress;
mod publish;
mod supervise;

use ralph_contract::SpecDocument;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

pub use self::command::AgentRun;
use self::progress::Progress;
use self::publish::{Publisher, PushTarget};
use crate::locks::HookServer;
use crate::memory::Memory;
use crate::outcome::Failure;
use crate::report::Reporter;
use crate::workspace::Workspace;

/// Every task is ticked, and every commit is pushed.
#[derive(Debug)]
pub struct Done {
    /// The pushed head.
    pub head: CommitHash,
    /// The complete checklist.
    pub spec: SpecDocument,
}

/// Runs the agent to its end. Afterwards all of its processes have ended and its commits are pushed, as far as that was
/// possible, even if it failed.
///
/// # Errors
/// The agent did not complete the checklist, or its commits could not be pushed.
pub async fn work(
    run: &AgentRun<'_>,
    workspace: &mut Workspace,
    spec: &SpecDocument,
    reporter: &Reporter,
) -> Result<Done, Failure> {
    let crash = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(FailureCause::Crash, chain(error).to_string())
    };
    let lock_client = run.lock_client;
    let hook_server = HookServer::open(workspace.hook_directory()).map_err(|error| crash(&error))?;
    let command = command::build(run, workspace).map_err(|error| crash(&error))?;
    let (directory, checklist) = (workspace.directory().to_owned(), workspace.spec_path());
    let target = watch::Sender::new(PushTarget::new(spec.clone()));
    let give_up = CancellationToken::new();
    let mut progress = Progress::new(spec.clone(), Memory::of_this_container());
    let idle_timeout = run.agent.ralph_idle_timeout;
    let targets = target.subscribe();
    let mut publisher = Publisher::new(workspace, reporter, lock_client, run.retry_timeout);
    let work = async {
        tokio::join!(
            // Drops `target` when the run ends, which ends the publisher.
            supervise::run(&command, &mut progress, target, reporter, idle_timeout, &give_up),
            publisher.follow(targets, &give_up),
        )
    };
    let (run_end, published) = tokio::select! {
        ended = Box::pin(work) => ended,
        never = hook_server.serve(lock_client, &directory, checklist) => match never {},
    };
    let verdict = ending::judge(run_end, &progress, spec, workspace);
    // Commits are kept even if the run failed. Without success, only the ticks reported by events are certain.
    let spec = match &verdict {
        Ok(complete) => complete,
        Err(_) => progress.spec(),
    };
    let published = match published {
        Ok(()) => {
            Publisher::new(workspace, reporter, lock_client, run.retry_timeout)
                .finish(spec)
                .await
        }
        Err(failure) => Err(failure),
    };
    match (verdict, published) {
        (Ok(spec), Ok(Some(head))) => Ok(Done { head, spec }),
        (Ok(_), Ok(None)) => Err(Failure::Stuck {
            reason: "every task is ticked, but there are no commits".to_owned(),
            iterations_without_progress: 0,
        }),
        (Ok(_), Err(failure)) => Err(failure),
        // The agent was terminated because of this failure.
        (Err(_), Err(failure)) if give_up.is_cancelled() => Err(failure),
        (Err(failure), Ok(_)) => Err(failure),
        (Err(failure), Err(push_failure)) => {
            tracing::warn!(?push_failure, "the last commits could not be pushed");
            Err(failure)
        }
    }
}
