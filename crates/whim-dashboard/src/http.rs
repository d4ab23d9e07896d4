//! The routes: pages, the login, and the part of the API that is forwarded.

mod csp_report;
mod forward;
mod guard;
mod observe;
mod pages;
mod session;
mod state;
mod stream;

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, on, post};
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use self::state::Dashboard;
use crate::error::ApiError;
use crate::upstream::Route;

/// Largest body of a login or of a browser's report.
const MAX_SMALL_BODY_BYTES: usize = 16 * 1024;

pub(crate) fn router(dashboard: Dashboard, forwarded: &[Route]) -> Router {
    let api = forwarded
        .iter()
        .fold(Router::new(), |router, route| {
            router.route(&route.path, on(route.methods, forward::forward))
        })
        // Everything else of the API, so that it is not answered with a page.
        .route("/api", any(async || ApiError::no_such_route()))
        .route("/api/{*path}", any(async || ApiError::no_such_route()))
        .layer(from_fn_with_state(dashboard.clone(), session::require))
        .layer(from_fn(guard::refuse_foreign_reads));
    let session = get(session::show).post(session::log_in).delete(session::log_out);
    let own = Router::new()
        .route(
            "/session",
            session.layer(DefaultBodyLimit::max(MAX_SMALL_BODY_BYTES)),
        )
        .merge(api)
        .layer(from_fn_with_state(
            dashboard.clone(),
            guard::refuse_foreign_changes,
        ));
    let reports = Router::new()
        .route("/csp-report", post(csp_report::receive))
        .layer(DefaultBodyLimit::max(MAX_SMALL_BODY_BYTES));
    // The last layer is the outermost.
    own.merge(reports)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .fallback(pages::serve)
        .layer(from_fn_with_state(dashboard.clone(), guard::refuse_foreign_hosts))
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(from_fn_with_state(dashboard.clone(), observe::observe))
        .with_state(dashboard)
}

/// The panic hook has logged it.
fn after_panic(_payload: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::internal().into_response()
}
