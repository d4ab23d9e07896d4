//! Routes of workers for people.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use whim_core::WorkerId;
use whim_core::protocol::workers::{Worker, WorkerFilter, WorkerPage};
use whim_service::chain::chain;

use super::error::ApiError;
use super::extract::{Id, OptionalJson, Query};
use super::page::Limit;
use crate::app::App;
use crate::error::Error;
use crate::{db, lifecycle};
use whim_runtime::{LogStream, last_lines};

/// Lists workers, newest first.
#[utoipa::path(get, path = "/api/workers", tag = "workers", params(WorkerFilter), responses((status = 200, description = "A page", body = WorkerPage)))]
pub(super) async fn list_workers(
    State(app): State<App>,
    Query(filter): Query<WorkerFilter>,
) -> Result<Json<WorkerPage>, ApiError> {
    let limit = Limit::of(filter.limit)?;
    let items = db::workers::page(&app.database, &filter, limit.fetch()).await?;
    let (items, next_cursor) = limit.cut(items, |worker| worker.id);
    Ok(Json(WorkerPage { items, next_cursor }))
}

/// No fields are expected.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {}

/// Kills a worker; its item is retried.
#[utoipa::path(post, path = "/api/workers/{id}/kill", tag = "workers", params(("id" = WorkerId, Path, description = "The worker")), request_body = Option<Kill>, responses((status = 200, description = "The killed worker", body = Worker)))]
pub(super) async fn kill_worker(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    OptionalJson(Kill {}): OptionalJson<Kill>,
) -> Result<Json<Worker>, ApiError> {
    Ok(Json(lifecycle::kill(&app, id).await?))
}

const DEFAULT_LINES: usize = 200;
const MAX_LINES: usize = 5000;
/// Limit for long lines.
const MAX_LOG_BYTES: u64 = 1024 * 1024;

#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogQuery {
    /// Most lines to return: 1 to 5000, default 200.
    #[param(minimum = 1, maximum = 5000)]
    lines: Option<usize>,
    /// Whether to continue with new output until the worker ends; the response is chunked.
    #[serde(default)]
    #[param(required = false)]
    follow: bool,
}

/// Returns the last lines of a worker's log, at most 1 MiB, and optionally follows it.
#[utoipa::path(get, path = "/api/workers/{id}/logs", tag = "workers", params(("id" = WorkerId, Path, description = "The worker"), LogQuery), responses((status = 200, description = "The lines; a followed log ends when the worker ends", body = String, content_type = "text/plain")))]
pub(super) async fn worker_logs(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    Query(query): Query<LogQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let lines = query.lines.unwrap_or(DEFAULT_LINES);
    if !(1..=MAX_LINES).contains(&lines) {
        let problem = format!("was {lines}; expected an integer from 1 to {MAX_LINES}");
        return Err(ApiError::invalid("lines", problem));
    }
    // Only known workers: the identifier becomes part of a path.
    db::workers::find(&app.database, id)
        .await?
        .ok_or(Error::NoSuchWorker(id))?;
    let log = if query.follow {
        let log = app.runtime.follow(id, lines, MAX_LOG_BYTES).await;
        log.map(|log| log.map(|log| Body::from_stream(followed(&app, id, log))))
    } else {
        let log = app.runtime.logs(id, MAX_LOG_BYTES).await;
        log.map(|log| log.map(|log| Body::from(last_lines(&log, lines).to_owned())))
    };
    let log = log.map_err(|error| {
        tracing::warn!(error = %chain(&error), "a worker's log cannot be read");
        ApiError::unavailable("the log is unavailable at the moment; try again")
    })?;
    let log = log.ok_or_else(|| ApiError::not_found(format!("the log of worker {id} was deleted")))?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        // Output of agents is untrusted: browsers must treat it as text.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, log))
}

/// Also ends with the program, whose graceful stop would wait for it otherwise.
fn followed(app: &App, worker_id: WorkerId, log: LogStream) -> LogStream {
    log.inspect_err(move |error| {
        tracing::warn!(%worker_id, error = %chain(error), "a worker's log can no longer be followed");
    })
    .take_until(app.closing.clone().cancelled_owned())
    .boxed()
}
