//! Metrics, settings, locks, explanations, the pause of the queue, and worker logs.

use whim_core::protocol::explain::Explanation;
use whim_core::protocol::locks::{LockFilter, LockPage};
use whim_core::protocol::metrics::{DailyUsageFilter, DailyUsageReport, Metrics};
use whim_core::protocol::queue::{PauseQueue, QueueState};
use whim_core::protocol::settings::Settings;
use whim_core::protocol::tasks::BackgroundTasks;
use whim_core::protocol::workers::Worker;
use whim_core::{WorkItemId, WorkerId};

use crate::http::{Call, Repeat};
use crate::work::query_of;
use crate::{Client, ClientError};

impl Client {
    /// `GET /api/metrics`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn metrics(&self) -> Result<Metrics, ClientError> {
        self.http.send(Call::get(["api", "metrics"])).await
    }

    /// `GET /api/metrics/daily`: usage by day and repository.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn daily_usage(&self, filter: &DailyUsageFilter) -> Result<DailyUsageReport, ClientError> {
        let mut call = Call::get(["api", "metrics", "daily"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/settings`: the settings of the orchestrator, without secrets.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn settings(&self) -> Result<Settings, ClientError> {
        self.http.send(Call::get(["api", "settings"])).await
    }

    /// `GET /api/tasks`: the background tasks of the orchestrator, with their last reports.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn tasks(&self) -> Result<BackgroundTasks, ClientError> {
        self.http.send(Call::get(["api", "tasks"])).await
    }

    /// `GET /api/locks`: one page of file locks.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn locks(&self, filter: &LockFilter) -> Result<LockPage, ClientError> {
        let mut call = Call::get(["api", "locks"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/work/:id/explain`: why an item is not running.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn explain_work(&self, id: WorkItemId) -> Result<Explanation, ClientError> {
        let call = Call::get(["api", "work", &id.to_string(), "explain"]);
        self.http.send(call).await
    }

    /// `POST /api/queue/pause`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn pause_queue(&self, pause: &PauseQueue) -> Result<QueueState, ClientError> {
        let call = Call::post(["api", "queue", "pause"], pause, Repeat::Idempotent);
        self.http.send(call).await
    }

    /// `POST /api/queue/resume`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn resume_queue(&self) -> Result<QueueState, ClientError> {
        let empty = serde_json::Map::new();
        let call = Call::post(["api", "queue", "resume"], &empty, Repeat::Idempotent);
        self.http.send(call).await
    }

    /// `POST /api/workers/:id/kill`: ends a worker; its item is retried.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn kill_worker(&self, id: WorkerId) -> Result<Worker, ClientError> {
        let empty = serde_json::Map::new();
        let id = id.to_string();
        let call = Call::post(["api", "workers", &id, "kill"], &empty, Repeat::IfNotSent);
        self.http.send(call).await
    }

    /// `GET /api/workers/:id/logs`: the last `lines` lines, or the server's default, as text.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn worker_logs(&self, id: WorkerId, lines: Option<u32>) -> Result<String, ClientError> {
        let mut call = Call::get(["api", "workers", &id.to_string(), "logs"]);
        call.query
            .extend(lines.map(|lines| ("lines".to_owned(), lines.to_string())));
        Ok(self.http.send_for_success(call).await?.into_text())
    }
}
