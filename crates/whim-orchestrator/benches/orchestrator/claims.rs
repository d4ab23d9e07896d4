//! Claims as the dispatcher makes them: the whole transaction with its lock, limits, item, worker and lease, including all
//! round trips to Postgres over an open connection.
//!
//! Outside of the measured time each claimed item returns to the end of the queue, so that the queue keeps its length and
//! few workers are live. Each round leaves a dead entry at the front of the claim's index.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::future::try_join_all;
use sqlx::PgPool;
use whim_core::WorkerId;
use whim_orchestrator::app::App;
use whim_orchestrator::config::Config;
use whim_orchestrator::dispatch::{self, ClaimOutcome};
use whim_orchestrator::listeners::Addresses;
use whim_orchestrator::serve;
use whim_runtime::Runtime;
use whim_service::environment::Environment;
use whim_service::reconcile::Statuses;

use crate::samples::Samples;
use crate::world::World;

/// Number of concurrent claimers. Each acts as an orchestrator of its own.
pub(crate) const SEVERAL: usize = 8;

/// Claims with connections of its own.
#[derive(Debug)]
pub(crate) struct Claimer {
    app: App,
    database: PgPool,
}

/// [`SEVERAL`] claimers, without the background tasks of an orchestrator.
pub(crate) async fn claimers(world: &World) -> anyhow::Result<Vec<Claimer>> {
    // Not the directory of the program under test.
    let workspaces = world.files().join("claimers").to_string_lossy().into_owned();
    let settings = world.settings(&[("WORKSPACES_DIR", &workspaces)]);
    let configured = Config::from_environment(Environment::from_pairs(settings))?;
    let runtime: Arc<dyn Runtime> = serve::open_runtime(&configured.config).await?;
    let unused_url = "http://127.0.0.1:9".parse::<url::Url>()?;
    let addresses = Addresses {
        api: unused_url.clone(),
        worker_api: unused_url,
    };
    (0..SEVERAL)
        .map(|_| {
            Ok(Claimer {
                app: serve::build(
                    configured.clone(),
                    Arc::clone(&runtime),
                    &addresses,
                    Statuses::default(),
                )?,
                database: world.database.clone(),
            })
        })
        .collect()
}

impl Claimer {
    /// Claims the next item and returns it to the queue. Returns the duration of the claim.
    pub(crate) async fn claim(&self) -> anyhow::Result<Duration> {
        let worker = WorkerId::new();
        let begin = Instant::now();
        let outcome = dispatch::claim(&self.app, worker).await?;
        let elapsed = begin.elapsed();
        let ClaimOutcome::Claimed(_claim) = outcome else {
            bail!("expected a claim, got {outcome:?}");
        };
        sqlx::query(
            "with ended as (
                 update workers set status = 'failed', ended_at = now(), stopped_at = now()
                 where id = $1 returning work_item_id
             )
             update work_items set status = 'queued', queued_at = clock_timestamp(), started_at = null
             where id = (select work_item_id from ended)",
        )
        .bind(worker.as_uuid())
        .execute(&self.database)
        .await?;
        Ok(elapsed)
    }
}

/// Runs the claimers concurrently for `length`.
pub(crate) async fn measure(claimers: &[Claimer], length: Duration) -> anyhow::Result<Samples> {
    // Warm-up: opens connections and prepares statements.
    try_join_all(claimers.iter().map(Claimer::claim)).await?;
    let begin = Instant::now();
    let times = try_join_all(claimers.iter().map(async |claimer| {
        let mut times = Vec::new();
        while begin.elapsed() < length {
            times.push(claimer.claim().await?);
        }
        anyhow::Ok(times)
    }))
    .await?;
    Ok(Samples::new(times.concat(), begin.elapsed()))
}

/// Makes up to `claims` claims within the time limit. Returns their number.
pub(crate) async fn make(claimers: &[Claimer], claims: u32, time_limit: Duration) -> anyhow::Result<u32> {
    let each = claims as usize / claimers.len();
    let begin = Instant::now();
    let made = try_join_all(claimers.iter().map(async |claimer| {
        let mut made = 0;
        while made < each && begin.elapsed() < time_limit {
            claimer.claim().await?;
            made += 1;
        }
        anyhow::Ok(made)
    }))
    .await?;
    Ok(u32::try_from(made.into_iter().sum::<usize>())?)
}
