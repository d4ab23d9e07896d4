//! The HTTP interface: every route once, and the layers around them. Handlers take a request apart, call one function
//! of the domain, and put the answer together.
//!
//! Two routers, because the routes of the workers have a listener of their own (`DESIGN.md`, decision 11).

mod auth;
mod error;
mod extract;
mod guard;
mod requests;
mod status;
mod tokens;
mod work;
mod worker_protocol;
mod workers;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use tower_http::catch_panic::CatchPanicLayer;

use self::error::ApiError;
use self::worker_protocol::WorkerState;
use crate::app::App;

/// The largest request body, in bytes. The widest legitimate one is a heartbeat with a full batch of events.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The routes for people and for intake. With a configured key everything but `/health` needs it; without one only
/// requests that are meant for this machine are answered.
pub fn api_router(app: App) -> Router {
    let routes = Router::new()
        .route("/health", get(status::health))
        .route("/api/status", get(status::status))
        .route("/api/queue", get(work::queue))
        .route("/api/work", get(work::list).post(work::create))
        .route("/api/work/{id}", get(work::find))
        .route("/api/work/{id}/cancel", post(work::cancel))
        .route("/api/work/{id}/requeue", post(work::requeue))
        .route("/api/work/{id}/spec", put(work::hand_in_spec))
        .route("/api/work/{id}/spec/fail", post(work::fail_spec))
        .route("/api/workers", get(workers::list))
        .route("/api/workers/{id}/kill", post(workers::kill));
    // The last layer is the outermost.
    let guarded = with_fallbacks(routes)
        .layer(from_fn_with_state(auth::RequiredKey::of(&app), auth::require_key))
        .layer(from_fn_with_state(
            guard::Hosts::of(&app),
            guard::refuse_strangers,
        ));
    with_common_layers(guarded).with_state(app)
}

/// The routes of the workers. Each takes the worker's own token, for its own identifier.
pub fn worker_router(app: App) -> Router {
    let routes = Router::new()
        .route("/api/worker/register", post(worker_protocol::register))
        .route("/api/worker/{id}/heartbeat", post(worker_protocol::heartbeat))
        .route("/api/worker/{id}/lock", post(worker_protocol::lock))
        .route("/api/worker/{id}/unlock", post(worker_protocol::unlock))
        .route("/api/worker/{id}/complete", post(worker_protocol::complete))
        .route("/api/worker/{id}/fail", post(worker_protocol::fail))
        .route("/api/worker/{id}/stuck", post(worker_protocol::stuck));
    let guarded = with_fallbacks(routes).layer(from_fn(worker_protocol::require_version));
    with_common_layers(guarded).with_state(WorkerState::new(app))
}

fn with_fallbacks<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(async || ApiError::no_such_route())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
}

fn with_common_layers<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(requests::limit_time))
        .layer(CatchPanicLayer::custom(error::after_panic))
        .layer(from_fn(requests::identify))
}
