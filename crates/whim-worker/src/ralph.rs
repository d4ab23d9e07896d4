//! Runs `ralph`, acts on its events, and pushes its commits.

mod command;
mod ending;
mod progress;
mod publish;
mod rejection;
mod review;
mod supervise;

use ralph_contract::SpecDocument;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use whim_core::{CommitHash, FailureCause};
use whim_service::chain::chain;

pub use self::command::AgentRun;
use self::progress::{Consequence, Progress};
use self::publish::{Claims, Published, Publisher};
use self::rejection::Rejection;
pub use self::review::{ReviewRun, Reviewed, review};
use self::supervise::Receiver;
use crate::cgroup::ControlGroup;
use crate::locks::HookServer;
use crate::outcome::Failure;
use crate::report::Reporter;
use crate::workspace::Workspace;

/// Every task is ticked, nothing is left behind, and every commit is pushed.
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
/// If its work does not count as it is, the agent receives a correction and may put it right (see [`Rejection`]).
///
/// # Errors
/// The agent did not complete the checklist, or its commits could not be pushed.
pub async fn work(
    run: &AgentRun<'_>,
    workspace: &mut Workspace,
    spec: &SpecDocument,
    reporter: &Reporter,
) -> Result<Done, Failure> {
    let hook_server = HookServer::open(workspace.hook_directory()).map_err(|error| crash(&error))?;
    let mut spec = spec.clone();
    let mut iterations = reporter.totals().iterations;
    let mut allowance = Rejection::ALLOWANCE;
    loop {
        let session = Session {
            run,
            reporter,
            hook_server: &hook_server,
            earlier_iterations: iterations,
        };
        let (result, used) = session.run(workspace, &spec).await?;
        iterations += used;
        let rejected = match result {
            Ended::Done(done) => return Ok(done),
            Ended::Rejected(rejected) => rejected,
        };
        let Rejected { accepted, rejection } = *rejected;
        reporter.notice(&rejection.notice());
        if allowance == 0 || iterations >= run.max_iterations {
            return Err(rejection.failure(iterations));
        }
        allowance -= 1;
        workspace
            .write_correction(&rejection.correction())
            .and_then(|()| {
                spec = with_open_task(accepted);
                workspace.write_spec(&spec)
            })
            .map_err(|error| crash(&error))?;
    }
}

/// `ralph` starts an agent only for an open task: the last one, if all are done.
fn with_open_task(spec: SpecDocument) -> SpecDocument {
    if spec.is_complete() {
        spec.with_open(spec.tasks().last().map(|task| task.index))
    } else {
        spec
    }
}

fn crash(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::new(FailureCause::Crash, chain(error).to_string())
}

/// How a run of `ralph` ended that did not fail.
enum Ended {
    Done(Done),
    Rejected(Box<Rejected>),
}

struct Rejected {
    /// The checklist with the ticks that count.
    accepted: SpecDocument,
    rejection: Rejection,
}

/// One run of `ralph`.
struct Session<'a> {
    run: &'a AgentRun<'a>,
    reporter: &'a Reporter,
    hook_server: &'a HookServer,
    /// Iterations of earlier runs in this attempt.
    earlier_iterations: u32,
}

impl Session<'_> {
    /// Returns the number of iterations as well.
    async fn run(&self, workspace: &mut Workspace, spec: &SpecDocument) -> Result<(Ended, u32), Failure> {
        let Self { run, reporter, .. } = *self;
        let lock_client = run.lock_client;
        let command =
            command::work(run, workspace, self.earlier_iterations).map_err(|error| crash(&error))?;
        let directory = workspace.directory().to_owned();
        let own = workspace.own_files().run.directory().to_owned();
        let claims = watch::Sender::new(Claims::new(spec.clone()));
        let give_up = CancellationToken::new();
        let group = ControlGroup::of_this_container();
        let mut progress = Progress::new(spec.clone(), group, self.earlier_iterations);
        let idle_timeout = run.agent.ralph_idle_timeout;
        let receiver = claims.subscribe();
        let mut publisher = Publisher::new(workspace, reporter, lock_client, run.retry_timeout, spec.clone());
        let work = async {
            tokio::join!(
                // Drops `claims` when the run ends, which ends the publisher.
                supervise::run(
                    &command,
                    Work {
                        progress: &mut progress,
                        claims
                    },
                    reporter,
                    idle_timeout,
                    &give_up
                ),
                publisher.follow(receiver, &give_up),
            )
        };
        let (run_end, followed) = tokio::select! {
            ended = Box::pin(work) => ended,
            never = self.hook_server.serve(lock_client, &directory, &own) => match never {},
        };
        let verdict = ending::judge(run_end, &progress, spec, publisher.workspace());
        // Commits are kept even if the run failed. Without success, only the ticks reported by events are certain.
        let claimed = match &verdict {
            Ok(complete) => complete,
            Err(_) => progress.spec(),
        };
        let published = match followed {
            Ok(()) => publisher.finish(claimed, verdict.is_ok()).await,
            Err(failure) => Err(failure),
        };
        let ended = conclude(verdict.map(drop), published, give_up.is_cancelled())?;
        Ok((ended, progress.iterations() - self.earlier_iterations))
    }
}

/// The output of a run that works on the checklist.
struct Work<'a> {
    progress: &'a mut Progress,
    /// Dropped with the run, which ends the publisher.
    claims: watch::Sender<Claims>,
}

impl Receiver for Work<'_> {
    fn line(&mut self, line: &str, reporter: &Reporter) {
        match self.progress.apply_line(line, reporter) {
            Consequence::None => {}
            Consequence::Publish => {
                let spec = self.progress.spec();
                self.claims.send_modify(|claims| claims.update(spec));
            }
            Consequence::PublishIteration => {
                let spec = self.progress.spec();
                self.claims.send_modify(|claims| claims.iteration_ended(spec));
            }
        }
    }

    fn error_line(&mut self, line: &str) {
        self.progress.keep_line(line);
    }
}

/// Combines how the run ended with what could be published. `is_given_up`: the agent was terminated because of its commits.
fn conclude(
    verdict: Result<(), Failure>,
    published: Result<Published, Failure>,
    is_given_up: bool,
) -> Result<Ended, Failure> {
    match (verdict, published) {
        (Ok(()), Err(failure)) => Err(failure),
        (Err(_), Err(failure)) if is_given_up => Err(failure),
        // The next attempt must not begin without the commits.
        (
            Err(
                Failure::Stuck { .. }
                | Failure::Failed {
                    cause: FailureCause::IterationsUsedUp,
                    ..
                },
            ),
            Err(
                publish_failure @ Failure::Failed {
                    cause: FailureCause::GitHubUnavailable,
                    ..
                },
            ),
        ) => Err(publish_failure),
        (Err(failure), Err(publish_failure)) => {
            tracing::warn!(?publish_failure, "the last commits could not be pushed");
            Err(failure)
        }
        (verdict, Ok(published)) => {
            let Published {
                head,
                accepted,
                rejection,
            } = published;
            match (verdict, rejection, head) {
                (Err(failure), None, _) => Err(failure),
                (Err(failure), Some(_), _) if !is_given_up => Err(failure),
                (_, Some(rejection), _) => Ok(Ended::Rejected(Box::new(Rejected { accepted, rejection }))),
                (Ok(()), None, Some(head)) => Ok(Ended::Done(Done { head, spec: accepted })),
                (Ok(()), None, None) => Err(Failure::Stuck {
                    reason: "every task is ticked, but there are no commits".to_owned(),
                    iterations_without_progress: 0,
                }),
            }
        }
    }
}
