//! The claim: an item, its worker with token and lease, and its share of the budget, in one transaction.

use std::time::Instant;

use sqlx::{PgConnection, PgExecutor};
use whim_core::{WorkerId, WorkerToken};

use super::gateway_tokens::GatewayTokens;
use crate::admission::{BlockedReason, Cooldown, Snapshot, admit, iterations_of_item};
use crate::app::App;
use crate::db::queue_state::queue_state_and_usage;
use crate::db::work_items::{self, Claimed, NewWorker};
use crate::db::{breakers, in_transaction_begun_with};
use crate::metrics;

/// Serialises claims over all orchestrators of a database, so that slots and budgets are exact. The number spells "whim".
macro_rules! lock_claims {
    () => {
        "select pg_advisory_xact_lock(2003331437)"
    };
}

/// A claimed item, and the worker to be started for it.
#[derive(Debug)]
pub struct Claim {
    pub item: Claimed,
    pub worker: WorkerId,
    /// The only copy: the database has its hash.
    pub token: WorkerToken,
    pub gateway_tokens: GatewayTokens,
    /// Whether a breaker was open, which the start may close.
    pub(super) breakers_open: bool,
}

#[derive(Debug)]
pub enum ClaimOutcome {
    Claimed(Claim),
    /// No item is claimable.
    NoItem,
    /// Nothing may be started.
    Blocked(Vec<BlockedReason>),
}

/// Waits for claims in progress, and blocks others until the end of the transaction.
pub(super) async fn block_claims(db: impl PgExecutor<'_>) -> sqlx::Result<()> {
    sqlx::raw_sql(lock_claims!()).execute(db).await?;
    Ok(())
}

/// Claims the next item for `worker`, which holds the cooldown, if admission grants it.
///
/// # Errors
/// Postgres is unavailable. If the claim was committed all the same, its worker is found not to have been started.
pub async fn claim(app: &App, worker: WorkerId) -> sqlx::Result<ClaimOutcome> {
    // Other claims wait for each round trip under the lock. There are four, from this one to the commit.
    const BEGIN: &str = concat!("begin; ", lock_claims!());
    let begin = Instant::now();
    let outcome = in_transaction_begun_with(BEGIN, &app.work_database, async |db| {
        claim_next(app, worker, db).await
    })
    .await?;
    if let ClaimOutcome::Claimed(claim) = &outcome {
        app.events.notify_changed();
        metrics::claimed(begin.elapsed(), claim.item.waited);
    }
    Ok(outcome)
}

async fn claim_next(app: &App, worker: WorkerId, db: &mut PgConnection) -> sqlx::Result<ClaimOutcome> {
    let (state, usage) = queue_state_and_usage(&mut *db).await?;
    let snapshot = Snapshot::complete(app, &mut *db, state, usage, Cooldown::Over).await?;
    let grant = match admit(&snapshot) {
        Ok(grant) => grant,
        Err(reasons) => return Ok(ClaimOutcome::Blocked(reasons)),
    };
    let limits = snapshot.limits;
    let token = WorkerToken::generate();
    let gateway_tokens = GatewayTokens::generate();
    let mut new = NewWorker {
        id: worker,
        token_hash: token.hash(),
        gateway_token_hashes: gateway_tokens.hashes(),
        max_iterations: limits.max_iterations.get().min(grant.iterations),
        runtime: app.runtime.kind(),
        instance: snapshot.instance,
        register_timeout: app.config.lifecycle.register_timeout,
    };
    let item = if grant.covers_every_item() && !limits.has_shares() {
        work_items::claim(&mut *db, &new).await?
    } else {
        match work_items::next_excluding(&mut *db, &grant.exclusions()).await? {
            Some(candidate) => {
                let user = candidate.requested_by.as_ref();
                let iterations = iterations_of_item(&snapshot, &candidate.repo, user);
                new.max_iterations = iterations.unwrap_or(u32::MAX).min(new.max_iterations);
                work_items::claim_one(&mut *db, &new, candidate.id).await?
            }
            None => None,
        }
    };
    let Some(item) = item else {
        return Ok(ClaimOutcome::NoItem);
    };
    let breakers_open = !snapshot.breakers.is_empty();
    if breakers_open {
        let Snapshot {
            credential, instance, ..
        } = snapshot;
        breakers::begin_probes(&mut *db, worker, credential, instance, &item.repo).await?;
    }
    Ok(ClaimOutcome::Claimed(Claim {
        item,
        worker,
        token,
        gateway_tokens,
        breakers_open,
    }))
}
