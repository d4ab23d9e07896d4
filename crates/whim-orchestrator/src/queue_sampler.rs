//! Gauges that are read when Prometheus scrapes.

use std::time::{Duration, Instant};

use metrics::gauge;
use sqlx::PgPool;
use tokio::sync::Mutex;
use whim_service::chain::chain;
use whim_service::metrics::{Family, Kind};

use crate::app::App;
use crate::db::{self, budget, pause, work_items, workers};
use crate::status;

const ITEMS: &str = "whim_work_items";
const WAITING: &str = "whim_work_items_in_backoff";
const OLDEST: &str = "whim_queue_oldest_age_seconds";
const PAUSED: &str = "whim_queue_paused";
const WORKERS: &str = "whim_workers";
const WORKERS_MAX: &str = "whim_worker_slots";
const BUDGET: &str = "whim_budget_iterations";
const BUDGET_LIMIT: &str = "whim_budget_iterations_limit";
const SAMPLED_AT: &str = "whim_queue_sampled_timestamp_seconds";
const UP: &str = "whim_dependency_up";
const POOL_CONNECTIONS: &str = "whim_postgres_pool_connections";
const POOL_MAX: &str = "whim_postgres_pool_connections_max";

const fn gauge_family(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

pub const GAUGES: [Family; 12] = [
    gauge_family(ITEMS, "Work items, by state"),
    gauge_family(WAITING, "Items in backoff before another attempt"),
    gauge_family(OLDEST, "Age of the oldest claimable item; 0 if there is none"),
    gauge_family(PAUSED, "1 while the queue is paused"),
    gauge_family(WORKERS, "Live workers, by state"),
    gauge_family(WORKERS_MAX, "Maximum of live workers (MAX_WORKERS)"),
    gauge_family(BUDGET, "Iterations of today, used and reserved for live workers"),
    gauge_family(BUDGET_LIMIT, "Iterations of a day (DAILY_BUDGET)"),
    gauge_family(
        SAMPLED_AT,
        "Time of the latest sample of the queue; the gauges keep their values while Postgres is unavailable",
    ),
    gauge_family(UP, "1 while a dependency is available, else 0"),
    gauge_family(POOL_CONNECTIONS, "Connections to Postgres, by pool and state"),
    gauge_family(POOL_MAX, "Maximum of connections of a pool"),
];

/// Shortest time between two samples of the queue, however often it is scraped.
const MIN_INTERVAL: Duration = Duration::from_secs(10);
/// Slow samples are taken less often: at most one part in so many of the time is spent sampling.
const MAX_DUTY: u32 = 20;
/// A sample that takes longer is abandoned.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct QueueSampler {
    app: App,
    /// Earliest time of the next sample. Locked during a sample, so that concurrent scrapes share it.
    next: Mutex<Option<Instant>>,
}

impl QueueSampler {
    pub fn new(app: App) -> Self {
        Self {
            app,
            next: Mutex::default(),
        }
    }

    /// Updates the gauges; those of the queue at most every ten seconds.
    pub async fn sample(&self) {
        let app = &self.app;
        for (pool, name) in [(&app.database, db::API_POOL), (&app.work_database, db::WORK_POOL)] {
            show_pool(pool, name);
        }
        let mut next = self.next.lock().await;
        if next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let begin = Instant::now();
        let (health, counted) =
            tokio::join!(status::health(app), tokio::time::timeout(TIMEOUT, self.count()));
        for (part, component) in [
            ("postgres", &health.postgres),
            ("redis", &health.redis),
            ("runtime", &health.runtime),
        ] {
            gauge!(UP, "dependency" => part).set(f64::from(u8::from(component.healthy)));
        }
        match counted {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "failed to sample the queue for /metrics")
            }
            Err(_) => tracing::warn!("sampling the queue for /metrics took too long"),
        }
        *next = Some(Instant::now() + MIN_INTERVAL.max(begin.elapsed() * MAX_DUTY));
    }

    async fn count(&self) -> sqlx::Result<()> {
        let app = &self.app;
        let mut db = app.database.begin().await?;
        // Postgres stops counting when the sample is abandoned.
        db::limit_statements(&mut db, TIMEOUT).await?;
        let queue_stats = work_items::queue_stats(&mut *db).await?;
        for (status, count) in work_items::by_status(&mut *db).await? {
            gauge!(ITEMS, "status" => status.as_str()).set(count as f64);
        }
        gauge!(WAITING).set(queue_stats.waiting as f64);
        gauge!(OLDEST).set(queue_stats.oldest_age.unwrap_or_default().as_secs_f64());
        gauge!(SAMPLED_AT).set(queue_stats.at.timestamp_millis() as f64 / 1000.0);
        gauge!(PAUSED).set(if pause::current(&mut *db).await?.is_some() {
            1.0
        } else {
            0.0
        });
        for (status, count) in workers::count_live_by_status(&mut *db).await? {
            gauge!(WORKERS, "status" => status.as_str()).set(f64::from(count));
        }
        let usage = budget::today(&mut *db).await?;
        gauge!(BUDGET, "state" => "used").set(f64::from(usage.used));
        gauge!(BUDGET, "state" => "reserved").set(f64::from(usage.reserved));
        let limits = &app.config.limits;
        gauge!(BUDGET_LIMIT).set(f64::from(limits.daily_budget));
        gauge!(WORKERS_MAX).set(f64::from(limits.max_workers));
        db.rollback().await
    }
}

fn show_pool(pool: &PgPool, name: &'static str) {
    let (open, idle) = (pool.size() as usize, pool.num_idle());
    gauge!(POOL_CONNECTIONS, "pool" => name, "state" => "idle").set(idle as f64);
    gauge!(POOL_CONNECTIONS, "pool" => name, "state" => "used").set(open.saturating_sub(idle) as f64);
    gauge!(POOL_MAX, "pool" => name).set(f64::from(pool.options().get_max_connections()));
}
