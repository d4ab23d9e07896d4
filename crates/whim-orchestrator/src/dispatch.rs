//! The dispatcher: takes the next item when it may, and has a worker started for it.
//!
//! It is woken by notifications, by whoever frees something, when a cooldown is over, and by a slow tick that is only
//! the safety net. What it does when it is woken is always the same: look, and start as many as are admitted.

mod admit;
mod claim;
mod hold;
mod launch;
mod starts;
mod wake;

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use whim_core::WorkerId;
use whim_service::chain::chain;

pub use self::admit::{Admission, Refusal, admission};
pub use self::claim::{Claim, ClaimOutcome, claim};
pub use self::hold::{pause, resume};
pub use self::starts::{Launching, Starts};
pub use self::wake::listen;
use crate::app::App;
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
            () = app.pokes.dispatch.notified() => {}
            () = alarm_rings => {}
        }
        alarm = look(&app, &stop).await.map(|wait| Instant::now() + wait);
    }
}

/// Starts workers as long as they are admitted; answers when the next look is worth while, where that is known.
async fn look(app: &App, stop: &CancellationToken) -> Option<Duration> {
    while !stop.is_cancelled() {
        match start_next(app).await {
            Ok(Step::Started) => {}
            Ok(Step::NothingToDo) => return None,
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
    NothingToDo,
    Refused(Refusal),
}

async fn start_next(app: &App) -> Result<Step, Error> {
    if let Some(refusal) = app.starts.refusal() {
        return Ok(Step::Refused(refusal));
    }
    if !claim::any_claimable(&app.work_database).await? {
        return Ok(Step::NothingToDo);
    }
    if let Some(pause) = db::pause::current(&app.work_database).await? {
        return Ok(Step::Refused(Refusal::Paused(pause)));
    }
    // Cheap looks first, so that the cooldown is not taken for nothing; the claim looks again and is exact.
    let max_workers = app.config.limits.max_workers;
    if workers::count_live(&app.work_database).await? >= max_workers {
        return Ok(Step::Refused(Refusal::NoSlot { max: max_workers }));
    }
    if let Some(refusal) = admit::budget_refusal(app).await? {
        return Ok(Step::Refused(refusal));
    }
    let worker = WorkerId::new();
    let launching = app.launching.begin(worker);
    if let Some(refusal) = take_cooldown(app, worker).await? {
        return Ok(Step::Refused(refusal));
    }
    let step = match claim(app, worker).await {
        Ok(ClaimOutcome::Claimed(claim)) => {
            app.pokes.budget.activate();
            if launch::launch(app, claim).await {
                drop(launching);
                // It may have been cancelled meanwhile; who stops workers leaves those alone that are being started.
                app.pokes.stops.activate();
                return Ok(Step::Started);
            }
            Ok(Step::Started)
        }
        Ok(ClaimOutcome::NothingToDo) => Ok(Step::NothingToDo),
        Ok(ClaimOutcome::Refused(refusal)) => Ok(Step::Refused(refusal)),
        Err(error) => Err(error.into()),
    };
    drop(launching);
    if let Err(error) = app.limits.give_back_cooldown(worker).await {
        let error = chain(&error);
        tracing::warn!(%error, "a cooldown for nothing runs its course");
    }
    app.pokes.stops.activate();
    step
}

async fn take_cooldown(app: &App, worker: WorkerId) -> Result<Option<Refusal>, Error> {
    // Once for the rebuild, and once more should Redis be emptied again right after.
    for _attempt in 0..3 {
        match app.limits.take_cooldown(worker).await {
            Ok(Cooldown::Taken) => return Ok(None),
            Ok(Cooldown::Running { left }) => return Ok(Some(Refusal::Cooldown { left })),
            Ok(Cooldown::Unknown) => {
                let since = workers::since_last_start(&app.work_database).await?;
                if app.limits.rebuild(since).await.is_err() {
                    return Ok(Some(Refusal::RedisAway));
                }
                tracing::info!("the limits in Redis were rebuilt from Postgres");
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%error, "nothing new is started without Redis");
                return Ok(Some(Refusal::RedisAway));
            }
        }
    }
    Ok(Some(Refusal::RedisAway))
}

/// What is left of a budget.
fn remaining(limit: u32, usage: &budget::Usage) -> u32 {
    limit.saturating_sub(usage.used).saturating_sub(usage.reserved)
}
