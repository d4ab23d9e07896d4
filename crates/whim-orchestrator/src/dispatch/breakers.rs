//! What a failure says about more than its item, and what is spared because of it.
//!
//! A report counts against one subject. Where it proves that nothing else would fare better, or where enough came in a
//! row, the breaker opens: nothing of what needs the subject is started. An end that is known, such as that of a usage
//! limit, ends it. Else one worker tries when the time has come, the time doubling with each failure, and the rest
//! follows when that one gets what it needs.

mod messages;

use std::time::Duration;

use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::status::{Breaker, BreakerSubject};
use whim_core::{FailureCause, RepoName, RetryRule, WorkItemId, WorkerId};
use whim_service::chain::chain;

use self::messages::breaker;
use super::BlockedReason;
use crate::app::App;
use crate::config::BreakersConfig;
use crate::db::breakers::{self, Open, TryNow};
use crate::db::in_transaction;

/// A crash loop of one item is the item's: it takes this many to be a repository's.
const ITEMS_OF_A_CRASH_LOOP: usize = 2;
/// A runtime is on this machine or next to it: it may be asked more often than what lies outside.
const RUNTIME_PROBES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How much of a reason is shown, in bytes.
const SHOWN_REASON_BYTES: usize = 300;

/// A failed attempt, as far as it may say something about more than its item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure<'a> {
    pub(crate) cause: FailureCause,
    pub(crate) reason: &'a str,
    /// When the subject says that it works again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether the worker ended before it registered.
    pub(crate) before_registration: bool,
    pub(crate) item: WorkItemId,
    /// `None` where no worker was needed for it.
    pub(crate) worker: Option<WorkerId>,
    pub(crate) repo: &'a RepoName,
    /// The orchestrator instance that started the worker.
    pub(crate) instance: &'a str,
}

impl Failure<'_> {
    /// What it counts against; `None` where it says nothing.
    fn subject(&self) -> Option<BreakerSubject> {
        match self.cause {
            FailureCause::ModelUnavailable | FailureCause::ModelLimited | FailureCause::ModelRefused => {
                Some(BreakerSubject::Model)
            }
            FailureCause::GitHubUnavailable | FailureCause::GitHubRefused => Some(BreakerSubject::GitHub),
            FailureCause::RuntimeUnavailable | FailureCause::DiskFull => Some(BreakerSubject::Runtime),
            FailureCause::Crash | FailureCause::Lost | FailureCause::Resources => {
                Some(if self.before_registration {
                    BreakerSubject::Runtime
                } else {
                    BreakerSubject::Repository
                })
            }
            FailureCause::Killed
            | FailureCause::Stuck
            | FailureCause::TestsFailed
            | FailureCause::IterationsUsedUp
            | FailureCause::BranchMoved
            | FailureCause::PushRefused
            | FailureCause::PullRequestRefused
            | FailureCause::WorkspaceUnusable
            | FailureCause::SpecUnusable => None,
        }
    }

    /// Whether every other item would fare the same: then one report is enough.
    fn proves_enough(&self) -> bool {
        let is_everybodys = matches!(
            self.cause,
            FailureCause::ModelUnavailable
                | FailureCause::ModelLimited
                | FailureCause::ModelRefused
                | FailureCause::GitHubRefused
                | FailureCause::RuntimeUnavailable
                | FailureCause::DiskFull
        );
        // A limit of GitHub that says when it ends is the token's; that GitHub is away may be said of one repository.
        is_everybodys || (self.cause == FailureCause::GitHubUnavailable && self.retry_after.is_some())
    }
}

/// Counts a failure against what it says something about; answers for how long nothing of that is started, where that
/// is so.
pub(crate) async fn report(
    db: &mut PgConnection,
    config: &BreakersConfig,
    failure: &Failure<'_>,
) -> sqlx::Result<Option<Duration>> {
    let Some(subject) = failure.subject() else {
        return Ok(None);
    };
    let repo = failure.repo.as_str().to_ascii_lowercase();
    let name = match subject {
        BreakerSubject::Model | BreakerSubject::GitHub => "",
        BreakerSubject::Runtime => failure.instance,
        BreakerSubject::Repository => repo.as_str(),
    };
    // It began before that one's try, which says more about what is now; only an end that is told is news.
    if failure.retry_after.is_none()
        && breakers::is_tried_by_another(&mut *db, subject, name, failure.worker).await?
    {
        return Ok(Some(Duration::ZERO));
    }
    let report = breakers::Report {
        subject,
        name,
        cause: failure.cause,
        reason: shown(failure.reason),
        item: failure.item,
    };
    let counted = breakers::report(&mut *db, &report).await?;
    let enough_items = subject != BreakerSubject::Repository || counted.items >= ITEMS_OF_A_CRASH_LOOP;
    let enough = counted.failures >= config.threshold && enough_items;
    if !(counted.open || enough || failure.proves_enough()) {
        return Ok(None);
    }
    let told = failure
        .retry_after
        .filter(|_| failure.cause.retry_rule() == RetryRule::WaitWithoutSpending);
    let lasts = match told {
        Some(end) => end.min(config.longest_park) + config.park_jitter.mul_f64(rand::random()),
        None => until_probe(config, subject, failure.cause, counted.failures, rand::random()),
    };
    let left = breakers::open(db, &report, lasts, told.is_some()).await?;
    tracing::warn!(
        subject = subject.as_str(), name, cause = %failure.cause, reason = report.reason,
        seconds = left.as_secs_f64(), "nothing is started that needs this"
    );
    Ok(Some(left))
}

/// How long nothing is tried after this many failures in a row: twice as long with each, with full jitter, so that what
/// failed together does not come back together (`FAULTS.md`, row 39). Never next to nothing: the tenth part is sure.
fn until_probe(
    config: &BreakersConfig,
    subject: BreakerSubject,
    cause: FailureCause,
    reports: u32,
    jitter: f64,
) -> Duration {
    let (first, longest) = match subject {
        BreakerSubject::Runtime => RUNTIME_PROBES,
        BreakerSubject::Model | BreakerSubject::GitHub | BreakerSubject::Repository => {
            (config.first_probe, config.longest_probe)
        }
    };
    if cause.operator_action_required() {
        return longest;
    }
    let doubled = first.saturating_mul(1_u32.checked_shl(reports.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(longest).mul_f64(0.1 + 0.9 * jitter.clamp(0.0, 1.0))
}

/// The breakers that are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Breakers(Vec<Open>);

impl Breakers {
    /// As they are now; those whose subject is seen to work are closed first.
    pub(super) async fn look(db: &mut PgConnection) -> sqlx::Result<Self> {
        close_what_works(&mut *db).await?;
        Self::read(db).await
    }

    /// As they are in the rows: what works again may not be closed yet.
    pub(super) async fn read(db: impl PgExecutor<'_>) -> sqlx::Result<Self> {
        Ok(Self(breakers::open_ones(db).await?))
    }

    /// Why nothing at all is started by this instance.
    pub(super) fn refusal(&self, instance: &str) -> Option<BlockedReason> {
        let refuses = |open: &&Open| match open.subject {
            BreakerSubject::Model | BreakerSubject::GitHub => spares(open),
            BreakerSubject::Runtime => open.name == instance && spares(open),
            BreakerSubject::Repository => false,
        };
        self.0.iter().find(refuses).map(refusal)
    }

    /// Why nothing of a repository is started.
    pub(super) fn refusal_of(&self, repo: &RepoName) -> Option<BlockedReason> {
        let refuses = |open: &&Open| {
            open.subject == BreakerSubject::Repository
                && open.name.eq_ignore_ascii_case(repo.as_str())
                && spares(open)
        };
        self.0.iter().find(refuses).map(refusal)
    }

    /// Why no spec is asked for, and whether the model may be tried.
    pub(super) fn refusal_of_model(&self) -> Option<(BlockedReason, bool)> {
        let model = self.0.iter().find(|open| open.subject == BreakerSubject::Model)?;
        Some((refusal(model), !spares(model)))
    }

    /// The repositories of which nothing is started, in lower case.
    pub(super) fn repositories(&self) -> impl Iterator<Item = String> + '_ {
        let spared = |open: &&Open| open.subject == BreakerSubject::Repository && spares(open);
        self.0.iter().filter(spared).map(|open| open.name.clone())
    }

    /// When the next repository may be tried.
    pub(super) fn next_repository_in(&self) -> Option<Duration> {
        let waiting = |open: &&Open| open.subject == BreakerSubject::Repository && !open.left.is_zero();
        self.0.iter().filter(waiting).map(|open| open.left).min()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For people.
    pub(super) fn shown(&self) -> Vec<Breaker> {
        self.0.iter().map(breaker).collect()
    }
}

/// Closes what is seen to work again.
pub(crate) async fn close_what_works(db: &mut PgConnection) -> sqlx::Result<usize> {
    let closed = breakers::close_what_works(db).await?;
    for (subject, name) in &closed {
        tracing::info!(
            subject = subject.as_str(),
            name,
            "work goes on: this is not spared any more"
        );
    }
    Ok(closed.len())
}

/// The model API answered who asked it for a spec: a breaker that lets it be tried is closed.
pub(crate) async fn model_answered(db: &mut PgConnection) -> sqlx::Result<()> {
    if breakers::close_tried_model(db).await? {
        tracing::info!("the model API answers again: work goes on");
    }
    Ok(())
}

/// Lets refused credentials be tried at once: whoever starts the program may have mended them.
pub async fn try_refused_credentials(app: &App) {
    let tried = in_transaction(&app.work_database, async |db| {
        breakers::try_now(db, TryNow::RefusedCredentials).await
    });
    if let Err(error) = tried.await {
        let error = chain(&error);
        tracing::warn!(%error, "credentials that were refused are tried later");
    }
}

/// Lets the runtime of this instance be tried at once, which was away and is back.
pub(crate) async fn try_runtime(app: &App) -> sqlx::Result<()> {
    let instance = app.runtime.instance();
    let tried = in_transaction(&app.work_database, async |db| {
        breakers::try_now(db, TryNow::Runtime(instance)).await
    });
    if tried.await? > 0 {
        tracing::info!(instance, "the runtime is back, and one worker tries it");
    }
    Ok(())
}

/// Whether nothing that needs it is started: it is not tried yet, or one worker is trying.
fn spares(open: &Open) -> bool {
    !open.left.is_zero() || open.half_open
}

fn refusal(open: &Open) -> BlockedReason {
    BlockedReason::BreakerOpen {
        breaker: breaker(open),
        left: open.left,
    }
}

/// The first line of a reason, which may have many and be an agent's.
fn shown(reason: &str) -> &str {
    let line = reason.trim().lines().next().unwrap_or_default();
    &line[..line.floor_char_boundary(SHOWN_REASON_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BreakersConfig = BreakersConfig {
        threshold: 3,
        first_probe: Duration::from_secs(30),
        longest_probe: Duration::from_mins(30),
        longest_park: Duration::from_hours(168),
        park_jitter: Duration::from_mins(1),
    };

    fn model(cause: FailureCause, reports: u32, jitter: f64) -> Duration {
        until_probe(&CONFIG, BreakerSubject::Model, cause, reports, jitter)
    }

    #[test]
    fn probes_are_twice_as_far_apart_with_each_failure_and_fully_jittered() {
        let longest: Vec<u64> = [1, 2, 3, 7, 40]
            .map(|reports| model(FailureCause::ModelUnavailable, reports, 1.0).as_secs())
            .to_vec();
        assert_eq!(longest, [30, 60, 120, 1800, 1800]);
        assert_eq!(
            model(FailureCause::ModelUnavailable, 3, 0.0),
            Duration::from_secs(12)
        );
    }

    #[test]
    fn refused_credentials_are_tried_rarely_from_the_first_time_on() {
        assert_eq!(model(FailureCause::ModelRefused, 1, 0.0), Duration::from_mins(30));
    }
}
