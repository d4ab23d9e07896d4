//! The statistics of the day, computed at most once per second however many clients ask.

use std::time::{Duration, Instant};

use sqlx::PgPool;
use tokio::sync::Mutex;
use whim_core::protocol::metrics::Metrics;

use crate::db::daily_stats;

/// Age up to which computed statistics are returned again.
const MAX_AGE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct DailyMetrics {
    /// Locked while computing, so that concurrent requests share the result.
    latest: Mutex<Option<(Instant, Metrics)>>,
}

impl DailyMetrics {
    /// Statistics that are at most a second old.
    ///
    /// # Errors
    /// Postgres is unavailable.
    pub(crate) async fn today(&self, db: &PgPool) -> sqlx::Result<Metrics> {
        let mut latest = self.latest.lock().await;
        if let Some((computed_at, metrics)) = &*latest
            && computed_at.elapsed() < MAX_AGE
        {
            return Ok(metrics.clone());
        }
        let begin = Instant::now();
        let metrics = daily_stats::today(db).await?;
        *latest = Some((begin, metrics.clone()));
        Ok(metrics)
    }
}
