//! Claims, as the dispatcher makes them: the whole transaction with its lock, limits, item, worker and lease, with all
//! round trips to Postgres, over a connection that is open.
//!
//! What was claimed is put back at the end of the queue outside of the measured time, so that the queue keeps its
//! length and few workers live at a time, as in reality. Each such round leaves a dead entry at the front of the
//! claim's index.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use futures::future::try_join_all;
use sqlx::PgPool;
use whim_core::WorkerId;
use whim_orchestrator::app::App;
use whim_orchestrator::app::serve::{self, Addresses};
use whim_orchestrator::config::Config;
use whim_orchestrator::dispatch::{self, ClaimOutcome};
use whim_runtime::Runtime;
use whim_service::environment::Environment;

use crate::samples::Samples;
use crate::world::World;

/// How many claim at once where several do: each as an orchestrator of its own.
pub(crate) const SEVERAL: usize = 8;

/// One that claims, with connections of its own.
#[derive(Debug)]
pub(crate) struct Claimer {
    app: App,
    database: PgPool,
}

/// As many as ever claim at once. Nothing of an orchestrator runs in them.
pub(crate) async fn claimers(world: &World) -> anyhow::Result<Vec<Claimer>> {
    // A directory that the program does not use.
    let workspaces = world.files().join("claimers").to_string_lossy().into_owned();
    let settings = world.settings(&[("WORKSPACES_DIR", &workspaces)]);
    let config = Config::from_environment(Environment::from_pairs(settings))?.config;
    let runtime: Arc<dyn Runtime> = serve::open_runtime(&config).await?;
    let nowhere = "http://127.0.0.1:9".parse::<url::Url>()?;
    let addresses = Addresses {
        api: nowhere.clone(),
        worker_api: nowhere,
    };
    (0..SEVERAL)
        .map(|_| {
            Ok(Claimer {
                app: serve::build(config.clone(), Arc::clone(&runtime), &addresses)?,
                database: world.database.clone(),
            })
        })
        .collect()
}

impl Claimer {
    /// Claims the next item, and puts it back; answers how long the claim took.
    pub(crate) async fn claim(&self) -> anyhow::Result<Duration> {
        let worker = WorkerId::new();
        let begin = Instant::now();
        let outcome = dispatch::claim(&self.app, worker).await?;
        let elapsed = begin.elapsed();
        let ClaimOutcome::Claimed(_claim) = outcome else {
            bail!("nothing was claimed: {outcome:?}");
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

/// What these claimers do in that time, all at once.
pub(crate) async fn measure(claimers: &[Claimer], length: Duration) -> anyhow::Result<Samples> {
    // Connections are made, and statements prepared.
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

/// Makes so many claims, or as many as can be made in that time; answers how many.
pub(crate) async fn make(claimers: &[Claimer], claims: u32, at_most: Duration) -> anyhow::Result<u32> {
    let each = claims as usize / claimers.len();
    let begin = Instant::now();
    let made = try_join_all(claimers.iter().map(async |claimer| {
        let mut made = 0;
        while made < each && begin.elapsed() < at_most {
            claimer.claim().await?;
            made += 1;
        }
        anyhow::Ok(made)
    }))
    .await?;
    Ok(u32::try_from(made.into_iter().sum::<usize>())?)
}
