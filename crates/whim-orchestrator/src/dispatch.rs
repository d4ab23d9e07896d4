//! The dispatcher: takes the next item when it may, and has a worker started for it.
//!
//! It is woken by notifications, by whoever frees something, when a cooldown is over, and by a slow tick that is only
//! the safety net. What it does when it is woken is always the same: look, and start as many as are admitted.

mod admit;
pub(crate) mod breakers;
mod claim;
mod exclusions;
mod launch;
mod notify;
mod pause;

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;

pub use self::admit::{Admission, BlockedReason, admission, refusal_of_spec};
use self::breakers::Breakers;
pub use self::breakers::try_refused_credentials;
pub use self::claim::{Claim, ClaimOutcome, claim};
pub use self::exclusions::refusal_of_item;
pub use self::notify::{listen, tell};
pub use self::pause::{pause, resume};
use crate::app::App;
use crate::db::dispatch::look;
use crate::db::{self, budget, workers};
use crate::error::Error;
use crate::limits::Cooldown;

/// Dispatches until `stop`. A start that has begun is finished.
///
/// # Errors
/// None: what fails is logged, and the next look is the retry.
pub async fn run(app: App, stop: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(app.config.periods.dispatch);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut alarm: Option<Instant> = None;
    loop {
        let alarm_rings = async {
            match alarm {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
            () = app.wakers.dispatch.notified() => {}
            () = alarm_rings => {}
        }
        alarm = start_all(&app, &stop).await.map(|wait| Instant::now() + wait);
    }
}

/// Starts workers as long as they are admitted; answers when the next look is worth while, where that is known.
async fn start_all(app: &App, stop: &CancellationToken) -> Option<Duration> {
    while !stop.is_cancelled() {
        match start_next(app).await {
            Ok(Step::Started) => {}
            Ok(Step::NothingToDo { look_in }) => return look_in,
            Ok(Step::Refused(refusal)) => {
                tracing::debug!(%refusal, "nothing is started");
                return refusal.over_in();
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "looking for work failed");
                return None;
            }
        }
    }
    None
}

enum Step {
    /// A worker was started, or could not be: look again.
    Started,
    NothingToDo {
        /// When that may change without anybody telling.
        look_in: Option<Duration>,
    },
    Refused(BlockedReason),
}

async fn start_next(app: &App) -> Result<Step, Error> {
    // Cheap looks first, so that the cooldown is not taken for nothing; the claim looks again and is exact.
    let mut connection = app.work_database.acquire().await?;
    let seen = look(&mut *connection).await?;
    if !seen.claimable {
        return Ok(Step::NothingToDo { look_in: None });
    }
    if seen.paused
        && let Some(pause) = db::pause::current(&mut *connection).await?
    {
        return Ok(Step::Refused(BlockedReason::Paused(pause)));
    }
    let breakers = if seen.breakers {
        Breakers::look(&mut connection).await?
    } else {
        Breakers::default()
    };
    if let Some(refusal) = breakers.refusal(app.runtime.instance()) {
        return Ok(Step::Refused(refusal));
    }
    let max_workers = app.config.limits.max_workers;
    if seen.live_workers >= max_workers {
        return Ok(Step::Refused(BlockedReason::NoSlot { max: max_workers }));
    }
    let look_in = breakers.next_repository_in();
    if !claim::any_excluding(app, &mut connection, &breakers).await? {
        return Ok(Step::NothingToDo { look_in });
    }
    drop(connection);
    if let Some(refusal) = admit::budget_refusal(app).await? {
        return Ok(Step::Refused(refusal));
    }
    let worker = WorkerId::new();
    let in_flight = app.in_flight_starts.begin(worker);
    if let Some(refusal) = take_cooldown(app, worker).await? {
        return Ok(Step::Refused(refusal));
    }
    let step = match claim(app, worker).await {
        Ok(ClaimOutcome::Claimed(claim)) => {
            app.wakers.budget.activate();
            if launch::launch(app, claim).await {
                drop(in_flight);
                // It may have been cancelled meanwhile; who stops workers leaves those alone that are being started.
                app.wakers.terminate.activate();
                return Ok(Step::Started);
            }
            Ok(Step::Started)
        }
        Ok(ClaimOutcome::NothingToDo) => Ok(Step::NothingToDo { look_in }),
        Ok(ClaimOutcome::Refused(refusal)) => Ok(Step::Refused(refusal)),
        Err(error) => Err(error.into()),
    };
    drop(in_flight);
    if let Err(error) = app.limits.release_cooldown(worker).await {
        let error = chain(&error);
        tracing::warn!(%error, "a cooldown for nothing runs its course");
    }
    app.wakers.terminate.activate();
    step
}

async fn take_cooldown(app: &App, worker: WorkerId) -> Result<Option<BlockedReason>, Error> {
    // Once for the rebuild, and once more should Redis be emptied again right after.
    for _attempt in 0..3 {
        match app.limits.take_cooldown(worker).await {
            Ok(Cooldown::Taken) => return Ok(None),
            Ok(Cooldown::Running { left }) => return Ok(Some(BlockedReason::Cooldown { left })),
            Ok(Cooldown::Unknown) => {
                let since = workers::since_last_start(&app.work_database).await?;
                if app.limits.rebuild(since).await.is_err() {
                    return Ok(Some(BlockedReason::RedisAway));
                }
                tracing::info!("the limits in Redis were rebuilt from Postgres");
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "nothing new is started without Redis");
                return Ok(Some(BlockedReason::RedisAway));
            }
        }
    }
    Ok(Some(BlockedReason::RedisAway))
}

/// What is left of a budget.
fn remaining(limit: u32, usage: &budget::Usage) -> u32 {
    limit.saturating_sub(usage.used).saturating_sub(usage.reserved)
}
