//! Queue, workers, status and health.

use whim_core::protocol::preflight::Preflight;
use whim_core::protocol::status::{Health, Queue, Status};
use whim_core::protocol::workers::{WorkerFilter, WorkerPage};
use whim_core::{RepoName, WorkItemId};

use crate::http::{Call, Repeat};
use crate::work::query_of;
use crate::{Client, ClientError};

impl Client {
    /// `GET /api/queue`: at most `limit` items, or the server's default, after `cursor`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn queue(&self, limit: Option<u32>, cursor: Option<WorkItemId>) -> Result<Queue, ClientError> {
        let mut call = Call::get(["api", "queue"]);
        call.query
            .extend(limit.map(|limit| ("limit".to_owned(), limit.to_string())));
        call.query
            .extend(cursor.map(|cursor| ("cursor".to_owned(), cursor.to_string())));
        self.http.send(call).await
    }

    /// `GET /api/workers`: one page, newest first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn list_workers(&self, filter: &WorkerFilter) -> Result<WorkerPage, ClientError> {
        let mut call = Call::get(["api", "workers"]);
        call.query = query_of(filter);
        self.http.send(call).await
    }

    /// `GET /api/repositories/:owner/:repo/preflight`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn get_preflight(&self, repo: &RepoName) -> Result<Preflight, ClientError> {
        let (owner, name) = (repo.owner(), repo.name());
        self.http
            .send(Call::get(["api", "repositories", owner, name, "preflight"]))
            .await
    }

    /// `GET /api/status`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.http.send(Call::get(["api", "status"])).await
    }

    /// `GET /health`, without retries: 503 of an unhealthy orchestrator is a result too.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        let mut call = Call::get(["health"]);
        call.repeat = Repeat::Never;
        self.http.send_for_answer(call).await?.parse()
    }
}
