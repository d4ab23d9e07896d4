//! Every route once, and what its handlers get.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch};
use serde::de::DeserializeOwned;
use url::Url;

use super::access::Identity;
use super::rate::Standing;
use super::refusal::Refusal;
use super::shared::Shared;
use super::{account, comments, issues, labels, pulls, repositories};

/// What a handler gives.
pub(super) type Answer = Result<Response, Refusal>;

/// The owner and the name in a path.
pub(super) type RepositoryPath = (String, String);

/// Who asks, and under what address.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) identity: Option<Identity>,
    pub(super) url: Url,
    pub(super) standing: Standing,
}

impl Call {
    /// Who asks; operations on repositories are not reached without.
    pub(super) fn login(&self) -> Result<&str, Refusal> {
        self.identity
            .as_ref()
            .map(|it| it.login.as_str())
            .ok_or(Refusal::RequiresAuthentication)
    }
}

impl<S: Sync> FromRequestParts<S> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let call = parts.extensions.get::<Self>().cloned();
        call.ok_or_else(|| Refusal::Internal("a handler was called past the gate".to_owned()))
    }
}

/// A query that the description allows, read into what the stand-in implements of it.
pub(super) struct Known<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Known<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        let query = Query::try_from_uri(&parts.uri);
        query
            .map(|Query(query)| Self(query))
            .map_err(|error| Refusal::NotImplemented(format!("this query: {}", error.body_text())))
    }
}

/// A body that the description allows, read into what the stand-in implements of it.
pub(super) struct KnownBody<T>(pub(super) T);

impl<S: Sync + Send, T: DeserializeOwned> FromRequest<S> for KnownBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Refusal::Internal(error.body_text()))?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let body = serde_json::from_slice(text);
        body.map(Self)
            .map_err(|error| Refusal::NotImplemented(format!("this body: {error}")))
    }
}

/// Runs what calls git, or otherwise waits, where it holds up no other request.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Refusal::Internal(error.to_string())))
}

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
        .route("/pulls", get(pulls::list).post(pulls::create))
        .route("/pulls/{number}", get(pulls::show).patch(pulls::update));
    Router::new()
        .route("/rate_limit", get(account::rate_limit))
        .route("/user", get(account::user))
        .nest("/repos/{owner}/{repo}", repository)
        .fallback(not_implemented)
        .with_state(shared)
}

async fn not_implemented() -> Response {
    Refusal::NotImplemented("this operation".to_owned()).into_response()
}
