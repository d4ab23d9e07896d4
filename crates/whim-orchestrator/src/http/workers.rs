//! Workers, as people see them.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use whim_core::WorkerId;
use whim_core::protocol::status::{Worker, Workers};
use whim_service::chain::chain;

use super::error::ApiError;
use super::extract::{Id, OptionalJson, Query};
use crate::app::App;
use crate::error::Error;
use crate::{db, lifecycle};
use whim_runtime::{LogStream, last_lines};

/// How many workers that have ended are listed.
const ENDED_WORKERS: i64 = 100;

/// The workers that live, and the latest that ended.
#[utoipa::path(get, path = "/api/workers", tag = "workers", responses((status = 200, description = "The workers", body = Workers)))]
pub(super) async fn workers(State(app): State<App>) -> Result<Json<Workers>, ApiError> {
    Ok(Json(Workers {
        workers: db::workers::list(&app.database, ENDED_WORKERS).await?,
    }))
}

/// The body of `kill`: nothing, or an empty object.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {}

/// Ends a worker; its item is tried again.
#[utoipa::path(post, path = "/api/workers/{id}/kill", tag = "workers", params(("id" = WorkerId, Path, description = "The worker")), request_body = Option<Kill>, responses((status = 200, description = "The worker, which has ended", body = Worker)))]
pub(super) async fn kill_worker(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    OptionalJson(Kill {}): OptionalJson<Kill>,
) -> Result<Json<Worker>, ApiError> {
    Ok(Json(lifecycle::kill(&app, id).await?))
}

const DEFAULT_LINES: usize = 200;
const MAX_LINES: usize = 5000;
/// However long the lines are.
const MAX_LOG_BYTES: u64 = 1024 * 1024;

/// `GET /api/workers/:id/logs?lines=&follow=`.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogQuery {
    /// How many lines at the most: 1 to 5000, 200 when nothing is said.
    lines: Option<usize>,
    /// Whether to go on with what the worker prints from now on, until it ends: the answer is sent in pieces as they
    /// come.
    #[serde(default)]
    #[param(required = false)]
    follow: bool,
}

/// The last lines that a worker printed, 1 MiB at the most, and on request what it prints from then on.
#[utoipa::path(get, path = "/api/workers/{id}/logs", tag = "workers", params(("id" = WorkerId, Path, description = "The worker"), LogQuery), responses((status = 200, description = "The lines; a followed log ends when the worker has ended", body = String, content_type = "text/plain")))]
pub(super) async fn worker_logs(
    State(app): State<App>,
    Id(id): Id<WorkerId>,
    Query(query): Query<LogQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let lines = query.lines.unwrap_or(DEFAULT_LINES);
    if !(1..=MAX_LINES).contains(&lines) {
        let problem = format!("{lines} is out of range; expected 1 to {MAX_LINES}");
        return Err(ApiError::invalid("lines", problem));
    }
    // Only of workers that the database knows: the identifier becomes part of a path.
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
        ApiError::unavailable("the log cannot be read at the moment; try again")
    })?;
    let log = log.ok_or_else(|| ApiError::not_found(format!("there is no log of worker {id} any more")))?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        // What an agent printed is hostile: never anything but text.
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, log))
}

/// Ends with the program too, which would wait for it otherwise.
fn followed(app: &App, worker_id: WorkerId, log: LogStream) -> LogStream {
    log.inspect_err(move |error| {
        tracing::warn!(%worker_id, error = %chain(error), "a worker's log cannot be followed any more");
    })
    .take_until(app.closing.clone().cancelled_owned())
    .boxed()
}
