//! The HTTP interface: every route once, and the layers around them. Handlers take a request apart, call one function
//! of the domain, and put the answer together.
//!
//! Two routers, because the routes of the workers have a listener of their own (`DESIGN.md`, decision 11).

mod audit;
mod auth;
mod docs;
mod error;
mod events;
mod extract;
mod guard;
mod intake_calls;
mod listen;
mod locks;
pub mod openapi;
mod queue;
mod requests;
mod reviews;
mod stats;
mod status;
mod tokens;
mod work;
mod worker_protocol;
mod workers;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::audit::Auditor;
use self::error::ApiError;
pub(crate) use self::listen::serve;
use self::requests::WithoutQuery;
use self::worker_protocol::WorkerState;
use crate::app::App;
use crate::metrics::Listener;

/// The largest request body, in bytes. The widest legitimate one is a heartbeat with a full batch of events.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The routes for people and for intake. With a configured key everything but `/health` needs it, and off loopback the
/// documentation too; without one only requests that are meant for this machine are answered.
pub fn api_router(app: App) -> Router {
    let (routes, document) = api_routes().split_for_parts();
    let routes = routes.merge(docs::routes());
    // The last layer is the outermost.
    let guarded = with_fallbacks(routes)
        .layer(from_fn_with_state(
            WithoutQuery::of(&document),
            requests::refuse_unread_query,
        ))
        .layer(from_fn_with_state(app.clone(), intake_calls::record))
        .layer(from_fn_with_state(auth::RequiredKey::of(&app), auth::require_key))
        .layer(from_fn_with_state(
            guard::Hosts::of(&app),
            guard::refuse_strangers,
        ));
    with_common_layers(guarded, &app, Listener::Api).with_state(app)
}

/// The routes of the workers. Each takes the worker's own token, for its own identifier.
pub fn worker_router(app: App) -> Router {
    let (routes, document) = worker_routes().split_for_parts();
    let guarded = with_fallbacks(routes)
        .layer(from_fn_with_state(
            WithoutQuery::of(&document),
            requests::refuse_unread_query,
        ))
        .layer(from_fn(worker_protocol::require_version));
    with_common_layers(guarded, &app, Listener::Workers).with_state(WorkerState::new(app))
}

/// Each route together with its description.
fn api_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status::health))
        .routes(routes!(status::status))
        .routes(routes!(queue::queue))
        .routes(routes!(queue::pause_queue))
        .routes(routes!(queue::resume_queue))
        .routes(routes!(work::list_work, work::create_work))
        .routes(routes!(work::get_work))
        .routes(routes!(work::explain_work))
        .routes(routes!(work::cancel_work))
        .routes(routes!(work::requeue_work))
        .routes(routes!(work::put_spec))
        .routes(routes!(work::fail_spec))
        .routes(routes!(workers::workers))
        .routes(routes!(workers::kill_worker))
        .routes(routes!(workers::worker_logs))
        .routes(routes!(events::events))
        .routes(routes!(events::worker_events))
        .routes(routes!(locks::locks))
        .routes(routes!(stats::metrics))
        .routes(routes!(stats::learnings))
        .routes(routes!(reviews::list_reviews))
        .routes(routes!(reviews::get_review))
}

fn worker_routes() -> OpenApiRouter<WorkerState> {
    OpenApiRouter::new()
        .routes(routes!(worker_protocol::register))
        .routes(routes!(worker_protocol::heartbeat))
        .routes(routes!(worker_protocol::lock))
        .routes(routes!(worker_protocol::unlock))
        .routes(routes!(worker_protocol::report_review))
        .routes(routes!(worker_protocol::complete))
        .routes(routes!(worker_protocol::fail))
        .routes(routes!(worker_protocol::stuck))
}

fn with_fallbacks<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes
        .fallback(async || ApiError::no_such_route())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
}

fn with_common_layers<S: Clone + Send + Sync + 'static>(
    routes: Router<S>,
    app: &App,
    listener: Listener,
) -> Router<S> {
    routes
        .layer(from_fn_with_state(app.events.clone(), events::notify_of_changes))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn(requests::limit_time))
        .layer(CatchPanicLayer::custom(error::after_panic))
        .layer(from_fn_with_state(Auditor::new(listener), audit::watch))
        .layer(from_fn(requests::limit_head))
        .layer(from_fn_with_state(listener, requests::identify))
}
