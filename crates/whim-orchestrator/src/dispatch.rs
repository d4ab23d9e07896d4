//! The dispatcher: claims items and starts their workers.
//!
//! It runs when it is notified, when a cooldown or breaker may have expired, and at a slow polling interval in case a
//! notification is lost. Each run starts as many workers as admission grants.

mod claim;
mod gateway_tokens;
mod launch;
mod notify;
mod pause;

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, sleep};
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;

pub use self::claim::{Claim, ClaimOutcome, claim};
pub use self::notify::{announce, listen};
pub use self::pause::{pause, resume};
use crate::admission::{BlockedReason, Snapshot, admit, daily_usage};
use crate::app::App;
use crate::breakers;
use crate::db::queue_state::queue_state;
use crate::db::{work_items, workers};
use crate::error::Error;
use crate::limits::Cooldown;

/// Time until a dispatcher that is not allowed to start a worker is woken again.
const BLOCKED_INTERVAL: Duration = Duration::from_millis(20);

/// Dispatches until `stop`. A start in progress is completed.
///
/// # Errors
/// None: failures are logged, and the next run is the retry.
pub async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(app.config.intervals.dispatch);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut retry_at: Option<Instant> = None;
    loop {
        let retry = async {
            match retry_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
            () = app.wakers.dispatch.notified() => {}
            () = retry => {}
        }
        let end = start_all(&app, &stop).await;
        retry_at = end.retry_in.map(|delay| Instant::now() + delay);
        if end.is_blocked {
            // Submissions wake the dispatcher, and each would have it find the same.
            stop.run_until_cancelled(sleep(BLOCKED_INTERVAL)).await;
        }
    }
}

/// Why no further worker was started.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// When to try again, if that is known.
    retry_in: Option<Duration>,
    is_blocked: bool,
}

/// Starts workers while they are admitted.
async fn start_all(app: &App, stop: &CancellationToken) -> End {
    while !stop.is_cancelled() {
        match start_next(app).await {
            Ok(Step::Attempted) => {}
            Ok(Step::Idle { retry_in }) => {
                return End {
                    retry_in,
                    is_blocked: false,
                };
            }
            Ok(Step::Blocked(reasons)) => {
                for reason in &reasons {
                    tracing::debug!(%reason, "no worker is started");
                }
                return End {
                    retry_in: reasons.iter().filter_map(BlockedReason::expires_in).min(),
                    is_blocked: true,
                };
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "failed to dispatch");
                break;
            }
        }
    }
    End::default()
}

enum Step {
    /// A worker was started, or its start failed: there may be more items.
    Attempted,
    /// No item is claimable.
    Idle {
        /// When that may change without a notification.
        retry_in: Option<Duration>,
    },
    Blocked(Vec<BlockedReason>),
}

async fn start_next(app: &App) -> Result<Step, Error> {
    let retry_in = match preview(app).await? {
        Preview::Admitted { retry_in } => retry_in,
        Preview::Declined(step) => return Ok(step),
    };
    let worker = WorkerId::new();
    let in_flight = app.in_flight_starts.begin(worker);
    if let Some(reason) = take_cooldown(app, worker).await? {
        return Ok(Step::Blocked(vec![reason]));
    }
    let step = match claim(app, worker).await {
        Ok(ClaimOutcome::Claimed(claim)) => {
            app.wakers.budget.activate();
            if launch::launch(app, claim).await {
                drop(in_flight);
                // It may have been cancelled meanwhile, and `terminate` ignores starts in flight.
                app.wakers.terminate.activate();
                return Ok(Step::Attempted);
            }
            Ok(Step::Attempted)
        }
        Ok(ClaimOutcome::NoItem) => Ok(Step::Idle { retry_in }),
        Ok(ClaimOutcome::Blocked(reasons)) => Ok(Step::Blocked(reasons)),
        Err(error) => Err(error.into()),
    };
    drop(in_flight);
    if let Err(error) = app.limits.release_cooldown(worker).await {
        let error = chain(&error);
        tracing::warn!(%error, "failed to release the unused cooldown");
    }
    app.wakers.terminate.activate();
    step
}

enum Preview {
    Admitted { retry_in: Option<Duration> },
    Declined(Step),
}

/// Admission before the cooldown is taken, so that it is not taken for nothing. The claim decides again, exactly.
async fn preview(app: &App) -> Result<Preview, Error> {
    let mut connection = app.work_database.acquire().await?;
    let mut state = queue_state(&mut *connection).await?;
    if !state.claimable {
        return Ok(Preview::Declined(Step::Idle { retry_in: None }));
    }
    if state.breakers && breakers::close_recovered(&app.work_database, &app.config).await? > 0 {
        state = queue_state(&mut *connection).await?;
    }
    let (usage, cooldown) = daily_usage(app, &mut connection).await?;
    let snapshot = Snapshot::complete(app, &mut connection, state, usage, cooldown).await?;
    let grant = match admit(&snapshot) {
        Ok(grant) => grant,
        Err(reasons) => return Ok(Preview::Declined(Step::Blocked(reasons))),
    };
    let retry_in = snapshot.breakers.next_repository_probe();
    if !grant.covers_every_item() {
        let candidate = work_items::next_excluding(&mut connection, &grant.exclusions()).await?;
        if candidate.is_none() {
            return Ok(Preview::Declined(Step::Idle { retry_in }));
        }
    }
    Ok(Preview::Admitted { retry_in })
}

async fn take_cooldown(app: &App, worker: WorkerId) -> Result<Option<BlockedReason>, Error> {
    // Once for the rebuild, and once more in case Redis is emptied again right after.
    for _attempt in 0..3 {
        match app.limits.take_cooldown(worker).await {
            Ok(Cooldown::Taken) => return Ok(None),
            Ok(Cooldown::Running { remaining }) => return Ok(Some(BlockedReason::Cooldown { remaining })),
            Ok(Cooldown::Unknown) => {
                let since = workers::since_last_start(&app.work_database).await?;
                if app.limits.rebuild(since).await.is_err() {
                    return Ok(Some(BlockedReason::RedisUnavailable));
                }
                tracing::info!("the limits in Redis were rebuilt from Postgres");
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "Redis is unavailable; nothing new is started");
                return Ok(Some(BlockedReason::RedisUnavailable));
            }
        }
    }
    Ok(Some(BlockedReason::RedisUnavailable))
}
