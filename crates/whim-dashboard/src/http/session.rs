//! The login.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cookie::Cookie;
use serde::{Deserialize, Serialize};

use super::state::Dashboard;
use crate::access::{Client, Outcome, Sessions};
use crate::error::ApiError;
use crate::metrics::{self, LoginOutcome, Refusal};

/// Hashing a longer one would only take time.
const MAX_PASSWORD_BYTES: usize = 1024;

/// What the page has to know before its first request.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionState {
    authenticated: bool,
    login_required: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    password: String,
}

pub(super) async fn show(State(dashboard): State<Dashboard>, headers: HeaderMap) -> Json<SessionState> {
    let session = dashboard.login.as_ref().map(|login| login.sessions.of(&headers));
    Json(SessionState {
        authenticated: session.is_none_or(|session| session.is_some()),
        login_required: session.is_some(),
    })
}

pub(super) async fn log_in(
    State(dashboard): State<Dashboard>,
    Extension(client): Extension<Client>,
    credentials: Result<Json<LogIn>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Some(login) = &dashboard.login else {
        let state = SessionState {
            authenticated: true,
            login_required: false,
        };
        return Ok(Json(state).into_response());
    };
    // The rejection may quote the body.
    let Json(LogIn { password }) =
        credentials.map_err(|_rejection| ApiError::invalid("expected JSON such as {\"password\": \"…\"}"))?;
    if password.len() > MAX_PASSWORD_BYTES {
        let error = format!("password: expected at most {MAX_PASSWORD_BYTES} bytes");
        return Err(ApiError::invalid(error));
    }
    let from = client.address;
    match login.log_in(from, password).await {
        Outcome::Accepted(session) => {
            metrics::login(LoginOutcome::Accepted);
            tracing::info!(target: "audit", %from, "logged in");
            let state = SessionState {
                authenticated: true,
                login_required: true,
            };
            let cookie = login.sessions.cookie(session, client.over_tls);
            Ok((set(&cookie)?, Json(state)).into_response())
        }
        Outcome::WrongPassword => {
            metrics::login(LoginOutcome::Refused);
            tracing::warn!(target: "audit", %from, "refused a wrong password");
            Err(ApiError::unauthorized("the password is wrong"))
        }
        Outcome::TooMany(too_many) => {
            metrics::login(LoginOutcome::Limited);
            tracing::debug!(target: "audit", %from, "refused a login: too many attempts");
            Err(ApiError::too_many_logins(too_many.retry_after))
        }
    }
}

pub(super) async fn log_out(
    State(dashboard): State<Dashboard>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let session = dashboard
        .login
        .as_ref()
        .and_then(|login| Some((login, login.sessions.of(&headers)?)));
    if let Some((login, session)) = session {
        login.sessions.revoke(session);
        tracing::info!(target: "audit", from = %client.address, "logged out");
    }
    let removal = set(&Sessions::removal(client.over_tls))?;
    Ok((StatusCode::NO_CONTENT, removal).into_response())
}

/// Answers 401 without a session, if a login is demanded. Otherwise the session is in the request's extensions.
pub(super) async fn require(
    State(dashboard): State<Dashboard>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(login) = &dashboard.login {
        let Some(session) = login.sessions.of(request.headers()) else {
            metrics::refused(Refusal::Session);
            return ApiError::unauthorized("log in first: the session is missing or has expired")
                .into_response();
        };
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}

fn set(cookie: &Cookie<'_>) -> Result<[(HeaderName, HeaderValue); 1], ApiError> {
    let value = HeaderValue::try_from(cookie.to_string()).map_err(|_| ApiError::internal())?;
    Ok([(SET_COOKIE, value)])
}
