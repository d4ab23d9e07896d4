//! The agent's loop: start `ralph`, read what it says, act on it, and bring what it commits to GitHub.

mod command;
mod ending;
mod progress;
mod publish;
mod supervise;

use std::time::Duration;

use ralph_contract::SpecDocument;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

use self::progress::Progress;
use self::publish::{Publisher, Wanted};
use crate::config::AgentConfig;
use crate::credentials::ModelCredential;
use crate::locks::{Desk, Keeper};
use crate::memory::Memory;
use crate::outcome::Failure;
use crate::report::Reporter;
use crate::surroundings::Surroundings;
use crate::workspace::Workspace;

/// What it takes to run the agent on a checklist.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// How the agent is run.
    pub agent: &'a AgentConfig,
    /// What it needs to find its way.
    pub surroundings: &'a Surroundings,
    /// What it proves itself with to the model.
    pub model: Option<&'a ModelCredential>,
    /// How many iterations it may use.
    pub max_iterations: u32,
    /// How long GitHub may be away at the end.
    pub patience: Duration,
    /// Locks the files that it changes.
    pub keeper: &'a Keeper,
}

/// The agent did everything, and everything is on GitHub.
#[derive(Debug)]
pub struct Done {
    /// What GitHub has.
    pub head: CommitHash,
    /// The checklist, complete.
    pub spec: SpecDocument,
}

/// Runs the agent until it is done or cannot go on. Whatever it committed is on GitHub afterwards, as far as that could
/// be; none of its processes lives.
///
/// # Errors
/// The agent did not finish the checklist, or its commits could not be brought to GitHub.
pub async fn work(
    assignment: &Assignment<'_>,
    workspace: &mut Workspace,
    spec: &SpecDocument,
    reporter: &Reporter,
) -> Result<Done, Failure> {
    let broken = |error: &(dyn std::error::Error + 'static)| {
        Failure::new(FailureCause::Crash, chain(error).to_string())
    };
    let keeper = assignment.keeper;
    let desk = Desk::open(workspace.desk()).map_err(|error| broken(&error))?;
    let command = command::build(assignment, workspace).map_err(|error| broken(&error))?;
    let (directory, checklist) = (workspace.directory().to_owned(), workspace.spec_path());
    let wanted = watch::Sender::new(Wanted::new(spec.clone()));
    let give_up = CancellationToken::new();
    let mut progress = Progress::new(spec.clone(), Memory::of_this_container());
    let silence = assignment.agent.silence;
    let news = wanted.subscribe();
    let mut publisher = Publisher::new(workspace, reporter, keeper, assignment.patience);
    let work = async {
        tokio::join!(
            // Takes the sender with it: when the run is over, the publisher knows.
            supervise::run(&command, &mut progress, wanted, reporter, silence, &give_up),
            publisher.follow(news, &give_up),
        )
    };
    let (run, published) = tokio::select! {
        ended = Box::pin(work) => ended,
        never = desk.serve(keeper, &directory, checklist) => match never {},
    };
    let verdict = ending::judge(run, &progress, spec, workspace);
    // What the agent committed is worth keeping, however the run went; ticks count only as far as they are certain.
    let spec = match &verdict {
        Ok(complete) => complete,
        Err(_) => progress.spec(),
    };
    let published = match published {
        Ok(()) => {
            Publisher::new(workspace, reporter, keeper, assignment.patience)
                .settle(spec)
                .await
        }
        Err(failure) => Err(failure),
    };
    match (verdict, published) {
        (Ok(spec), Ok(Some(head))) => Ok(Done { head, spec }),
        (Ok(_), Ok(None)) => Err(Failure::Stuck {
            reason: "every task is ticked, but there is not a single commit".to_owned(),
            iterations_without_progress: 0,
        }),
        // The agent was ended because of this.
        (Ok(_), Err(failure)) => Err(failure),
        (Err(_), Err(failure)) if give_up.is_cancelled() => Err(failure),
        (Err(failure), Ok(_)) => Err(failure),
        (Err(failure), Err(unpublished)) => {
            tracing::warn!(?unpublished, "the last commits could not be brought to GitHub");
            Err(failure)
        }
    }
}
