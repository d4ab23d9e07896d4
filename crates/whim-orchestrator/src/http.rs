//! The HTTP API: routes and the layers around them. Handlers parse a request, call one function of the domain, and build
//! the response.
//!
//! There are two routers, because the worker protocol has a listener of its own (docs/decisions/0007-worker-listener.md).

mod audit;
mod auth;
mod bearer;
mod costs;
mod docs;
mod error;
mod events;
mod extract;
mod gateway;
mod guard;
mod history;
mod intake;
mod intake_calls;
mod learnings;
mod locks;
mod notes;
pub mod openapi;
mod page;
mod queue;
mod repositories;
mod requests;
mod reviews;
mod routes;
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

use self::audit::Auditor;
use self::error::ApiError;
use self::extract::MAX_BODY_BYTES;
use self::requests::WithoutQuery;
use self::worker_protocol::WorkerState;
use crate::app::App;
use crate::metrics::Listener;

/// Routes for people, the intake and gateways. If an API key is configured, every route except `/health` requires it, and so
/// does the documentation unless the listener is on loopback. Without a key, only requests addressed to this machine are
/// answered. Gateways have a key of their own.
pub fn api_router(app: App) -> Router {
    let (routes, document) = routes::api().split_for_parts();
    let routes = routes.merge(docs::routes());
    // The last layer is the outermost.
    let guarded = with_fallbacks(routes)
        .layer(from_fn_with_state(
            WithoutQuery::of(&document),
            requests::refuse_unread_query,
        ))
        .layer(from_fn_with_state(app.clone(), intake_calls::record))
        .layer(from_fn_with_state(auth::RequiredKey::of(&app), auth::require_key))
        .merge(gateway_router(&app))
        .layer(from_fn_with_state(
            guard::Hosts::of(&app),
            guard::refuse_strangers,
        ));
    with_common_layers(guarded, &app, Listener::Api).with_state(app)
}

fn gateway_router(app: &App) -> Router<App> {
    let (routes, document) = routes::gateway().split_for_parts();
    routes
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state(
            WithoutQuery::of(&document),
            requests::refuse_unread_query,
        ))
        .layer(from_fn_with_state(
            auth::GatewayKey::of(app),
            auth::require_gateway_key,
        ))
}

/// Routes of the worker protocol. Each requires the worker's own token.
pub fn worker_router(app: App) -> Router {
    let (routes, document) = routes::worker().split_for_parts();
    let guarded = with_fallbacks(routes)
        .layer(from_fn_with_state(
            WithoutQuery::of(&document),
            requests::refuse_unread_query,
        ))
        .layer(from_fn(worker_protocol::require_version));
    with_common_layers(guarded, &app, Listener::Workers).with_state(WorkerState::new(app))
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
        .layer(from_fn_with_state(Auditor::new(listener), audit::record))
        .layer(from_fn(requests::limit_head))
        .layer(from_fn_with_state(listener, requests::identify))
}
