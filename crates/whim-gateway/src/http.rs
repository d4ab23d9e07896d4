//! The routes: each path has its own credentials, errors and rules.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;

use crate::egress::Egress;
use crate::git::Git;
use crate::github::GitHub;
use crate::metrics::{self, Part};
use crate::model::Model;
use crate::refusal::Refusal;

/// What answers requests. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) model: Arc<Model>,
    pub(crate) git: Arc<Git>,
    pub(crate) github: Arc<GitHub>,
    pub(crate) egress: Arc<Egress>,
}

pub(crate) fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/anthropic", any(model_root))
        .route("/anthropic/", any(model_root))
        .route("/anthropic/{*path}", any(model))
        .route("/git/{owner}/{name}/{*service}", any(git))
        .route("/github/{*path}", any(github))
        .fallback(other)
        .with_state(gateway)
}

async fn model_root(State(gateway): State<Gateway>, request: Request) -> Response {
    answered(Part::Model, gateway.model.answer("", request).await)
}

async fn model(State(gateway): State<Gateway>, Path(path): Path<String>, request: Request) -> Response {
    answered(Part::Model, gateway.model.answer(&path, request).await)
}

async fn git(
    State(gateway): State<Gateway>,
    Path((owner, name, service)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    answered(
        Part::Git,
        gateway.git.answer(&owner, &name, &service, request).await,
    )
}

async fn github(State(gateway): State<Gateway>, Path(path): Path<String>, request: Request) -> Response {
    answered(Part::GitHub, gateway.github.answer(&path, request).await)
}

/// The proxy, and whatever matches no path.
async fn other(State(gateway): State<Gateway>, request: Request) -> Response {
    if request.method() == Method::CONNECT {
        return answered(Part::Proxy, gateway.egress.connect(request).await);
    }
    let message = "expected a path below /anthropic, /git or /github, or CONNECT host:port";
    let refusal = Refusal::new(StatusCode::NOT_FOUND, "no_such_path", message);
    refusal.into_text()
}

/// `GET http://host/path`: the proxy forwards connections, not requests. It would reveal what they contain, and the routes
/// above must not be reached through another host's name.
pub(crate) async fn refuse_plain_proxying(request: Request, next: axum::middleware::Next) -> Response {
    let has_authority = request.uri().authority().is_some();
    if !has_authority || request.method() == Method::CONNECT {
        return next.run(request).await;
    }
    let message = "the proxy forwards HTTPS only: use an https:// URL, which clients send as CONNECT";
    let refusal = Refusal::forbidden("plain_http", message);
    let host = request.uri().host().unwrap_or_default().to_owned();
    refusal.record(Part::Proxy, None, &host);
    answered(Part::Proxy, refusal.into_text())
}

fn answered(part: Part, response: Response) -> Response {
    metrics::answered(part, response.status().as_u16());
    response.into_response()
}
