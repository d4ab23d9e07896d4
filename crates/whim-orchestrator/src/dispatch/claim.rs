//! The claim: an item, its worker, the worker's token, its lease and its share of the budget, in one transaction.

use sqlx::PgExecutor;
use whim_core::{WorkerId, WorkerToken};

use super::admit::used_up;
use super::{Refusal, remaining};
use crate::app::App;
use crate::db::work_items::{self, Claimed};
use crate::db::workers::{self, NewWorker};
use crate::db::{budget, pause};

/// Serialises claims over all orchestrators of a database: slots and budget are counted and taken under it, so they
/// are exact. The number means nothing; it spells "whim".
const CLAIM_LOCK: i64 = 0x7768_696d;

/// An item that was claimed, and the worker that is to be started for it.
#[derive(Debug)]
pub struct Claim {
    /// The item.
    pub item: Claimed,
    /// The worker, which has its row and its lease.
    pub worker: WorkerId,
    /// Nowhere else from now on: the database has its hash.
    pub token: WorkerToken,
}

/// What became of a claim.
#[derive(Debug)]
pub enum ClaimOutcome {
    /// An item was claimed: its worker is to be started.
    Claimed(Claim),
    /// Nothing is queued that may be taken now.
    NothingToDo,
    /// Nothing new may be started.
    Refused(Refusal),
}

/// Whether there is anything to claim at all. Reads one entry of the claim's index.
pub(super) async fn any_claimable(db: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
             select from work_items where status = 'queued' and next_retry_at is null
         ) as "exists!""#
    )
    .fetch_one(db)
    .await
}

/// Until the end of the transaction no other claims, and claims that were going on have ended.
pub(super) async fn lock_out_claims(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock($1)", CLAIM_LOCK)
        .execute(db)
        .await?;
    Ok(())
}

/// Claims the next item for `worker`, if a slot and some of the budget are left.
///
/// # Errors
/// Postgres is away; then nothing was claimed, or the claim's worker is found not to have been started.
pub async fn claim(app: &App, worker: WorkerId) -> sqlx::Result<ClaimOutcome> {
    let limits = &app.config.limits;
    let mut transaction = app.work_database.begin().await?;
    lock_out_claims(&mut *transaction).await?;
    if let Some(pause) = pause::current(&mut *transaction).await? {
        return Ok(ClaimOutcome::Refused(Refusal::Paused(pause)));
    }
    if workers::count_live(&mut *transaction).await? >= limits.max_workers {
        return Ok(ClaimOutcome::Refused(Refusal::NoSlot {
            max: limits.max_workers,
        }));
    }
    let usage = budget::today(&mut *transaction).await?;
    let remaining = remaining(limits.daily_budget, &usage);
    if remaining == 0 {
        return Ok(ClaimOutcome::Refused(used_up(
            limits.daily_budget,
            usage.resets_at,
        )));
    }
    let Some(item) = work_items::claim(&mut transaction, worker).await? else {
        return Ok(ClaimOutcome::NothingToDo);
    };
    let token = WorkerToken::generate();
    let cap = limits.max_iterations.get();
    let new = NewWorker {
        id: worker,
        work_item_id: item.id,
        lease_epoch: item.lease_epoch,
        token_hash: token.hash(),
        max_iterations: item.max_iterations.unwrap_or(cap).min(cap).min(remaining),
        runtime: app.runtime.kind(),
        instance: app.runtime.instance(),
        register_timeout: app.config.lifecycle.register_timeout,
    };
    workers::insert(&mut transaction, &new).await?;
    transaction.commit().await?;
    Ok(ClaimOutcome::Claimed(Claim { item, worker, token }))
}
