//! Every route, once.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};

use super::error_response::ErrorResponse;
use super::shared::Shared;
use super::{account, comments, issues, labels, pulls, repositories};

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    let repository = Router::new()
        .route("/", get(repositories::show))
        .route("/branches/{*branch}", get(repositories::branch))
        .route("/git/ref/{*reference}", get(repositories::reference))
        .route("/issues", get(issues::list).post(issues::create))
        .route("/issues/{number}", get(issues::show).patch(issues::update))
        .route(
            "/issues/{number}/comments",
            get(comments::list).post(comments::create),
        )
        .route("/issues/{number}/events", get(issues::events))
        .route(
            "/issues/{number}/labels",
            get(labels::list_on_issue).post(labels::add).put(labels::set),
        )
        .route(
            "/issues/{number}/labels/{name}",
            axum::routing::delete(labels::remove),
        )
        .route("/issues/comments/{id}", patch(comments::update))
        .route("/labels", get(labels::list).post(labels::create))
        .route("/labels/{name}", get(labels::show))
        .route("/rules/branches/{*branch}", get(repositories::rules))
        .route("/rulesets/{id}", get(repositories::ruleset))
        .route("/pulls", get(pulls::list).post(pulls::create))
        .route("/pulls/{number}", get(pulls::show).patch(pulls::update));
    Router::new()
        .route("/rate_limit", get(account::rate_limit))
        .route("/user", get(account::user))
        .route("/users/{username}", get(account::user_by_name))
        .nest("/repos/{owner}/{repo}", repository)
        .fallback(not_implemented)
        .with_state(shared)
}

async fn not_implemented() -> Response {
    ErrorResponse::NotImplemented("this operation".to_owned()).into_response()
}
