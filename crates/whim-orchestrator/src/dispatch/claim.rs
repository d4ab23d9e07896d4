//! The claim: an item, its worker, the worker's token, its lease and its share of the budget, in one transaction.

use std::time::Instant;

use sqlx::{PgConnection, PgExecutor};
use whim_core::{WorkerId, WorkerToken};

use super::admit::used_up;
use super::breakers::Breakers;
use super::exclusions::Exclusions;
use super::{BlockedReason, remaining};
use crate::app::App;
use crate::db::dispatch::look_and_count;
use crate::db::work_items::{self, Claimed, NewWorker};
use crate::db::{breakers, in_transaction_begun_with, pause};
use crate::metrics;

/// Serialises claims over all orchestrators of a database: slots and budget are counted and taken under it, so they
/// are exact. The number means nothing; it spells "whim".
macro_rules! lock_of_claims {
    () => {
        "select pg_advisory_xact_lock(2003331437)"
    };
}

/// An item that was claimed, and the worker that is to be started for it.
#[derive(Debug)]
pub struct Claim {
    /// The item.
    pub item: Claimed,
    /// The worker, which has its row and its lease.
    pub worker: WorkerId,
    /// Nowhere else from now on: the database has its hash.
    pub token: WorkerToken,
    /// Whether a breaker was open: what the start shows may close it.
    pub(super) breakers: bool,
}

/// What became of a claim.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// An item was claimed: its worker is to be started.
    Claimed(Claim),
    /// Nothing is queued that may be taken now.
    NothingToDo,
    /// Nothing new may be started.
    Refused(BlockedReason),
}

/// Whether anything can be claimed besides the items that are left out, given that there is something.
pub(super) async fn any_excluding(app: &App, db: &mut PgConnection, open: &Breakers) -> sqlx::Result<bool> {
    let spared = Exclusions::look(app, db, open).await?;
    if spared.is_empty() {
        return Ok(true);
    }
    let first = work_items::next_excluding(db, &spared.repositories, &spared.users).await?;
    Ok(first.is_some())
}

/// Until the end of the transaction no other claims, and claims that were going on have ended.
pub(super) async fn block_claims(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::raw_sql(lock_of_claims!()).execute(db).await?;
    Ok(())
}

/// Claims the next item for `worker`, if a slot and some of the budget are left.
///
/// # Errors
/// Postgres is away; then nothing was claimed, or the claim's worker is found not to have been started.
pub async fn claim(app: &App, worker: WorkerId) -> sqlx::Result<ClaimOutcome> {
    // Under the lock each round trip keeps others waiting: it takes four, from this one to the commit.
    const BEGIN: &str = concat!("begin; ", lock_of_claims!());
    let begin = Instant::now();
    let outcome = in_transaction_begun_with(BEGIN, &app.work_database, async |db| {
        take_next(app, worker, db).await
    })
    .await?;
    if let ClaimOutcome::Claimed(claim) = &outcome {
        app.events.notify_changed();
        metrics::claimed(begin.elapsed(), claim.item.waited);
    }
    Ok(outcome)
}

async fn take_next(app: &App, worker: WorkerId, db: &mut PgConnection) -> sqlx::Result<ClaimOutcome> {
    let limits = &app.config.limits;
    let (seen, usage) = look_and_count(&mut *db).await?;
    if seen.paused
        && let Some(pause) = pause::current(&mut *db).await?
    {
        return Ok(ClaimOutcome::Refused(BlockedReason::Paused(pause)));
    }
    if seen.live_workers >= limits.max_workers {
        return Ok(ClaimOutcome::Refused(BlockedReason::NoSlot {
            max: limits.max_workers,
        }));
    }
    let open = if seen.breakers {
        Breakers::look(&mut *db).await?
    } else {
        Breakers::default()
    };
    if let Some(refusal) = open.refusal(app.runtime.instance()) {
        return Ok(ClaimOutcome::Refused(refusal));
    }
    let remaining = remaining(limits.daily_budget, &usage);
    if remaining == 0 {
        return Ok(ClaimOutcome::Refused(used_up(
            limits.daily_budget,
            usage.resets_at,
        )));
    }
    let token = WorkerToken::generate();
    let mut new = NewWorker {
        id: worker,
        token_hash: token.hash(),
        max_iterations: limits.max_iterations.get().min(remaining),
        runtime: app.runtime.kind(),
        instance: app.runtime.instance(),
        register_timeout: app.config.lifecycle.register_timeout,
    };
    let spared = Exclusions::look(app, &mut *db, &open).await?;
    let item = if spared.is_empty() && !limits.has_shares() {
        work_items::claim(&mut *db, &new).await?
    } else {
        // What is left for an item is known once it is known whose that is.
        let first = work_items::next_excluding(&mut *db, &spared.repositories, &spared.users).await?;
        match first {
            Some(first) => {
                new.max_iterations = new.max_iterations.min(spared.left_for(app, &first));
                work_items::claim_one(&mut *db, &new, first.id).await?
            }
            None => None,
        }
    };
    let Some(item) = item else {
        return Ok(ClaimOutcome::NothingToDo);
    };
    if !open.is_empty() {
        breakers::begin_probes(&mut *db, worker, app.runtime.instance(), &item.repo).await?;
    }
    Ok(ClaimOutcome::Claimed(Claim {
        item,
        worker,
        token,
        breakers: !open.is_empty(),
    }))
}
