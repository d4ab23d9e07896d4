//! The orchestrator's answers about tokens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use whim_core::TokenHash;
use whim_core::protocol::costs::{ModelRequest, ReportModelUsage};
use whim_core::protocol::gateway::{FindAttempt, GatewayAttempt, ReportModelLimit};

/// Of the gateway.
pub(crate) const KEY: &str = "the-key-of-the-gateway";

#[derive(Clone, Default)]
struct Attempts {
    by_token: Arc<RwLock<HashMap<TokenHash, GatewayAttempt>>>,
    asked: Arc<AtomicUsize>,
    limits: Arc<RwLock<Vec<ReportModelLimit>>>,
    usage: Arc<RwLock<Vec<ModelRequest>>>,
    /// Reports of usage to be answered with 503 first.
    refusals: Arc<AtomicUsize>,
}

/// Answers as the orchestrator's route does; stopped on drop.
pub(crate) struct Lookup {
    pub(crate) url: String,
    attempts: Attempts,
    _server: JoinSet<()>,
}

impl Lookup {
    pub(crate) async fn start() -> Self {
        let attempts = Attempts::default();
        let routes = Router::new()
            .route("/api/gateway/attempts", post(find))
            .route("/api/gateway/limits", post(report_limit))
            .route("/api/gateway/usage", post(report_usage))
            .with_state(attempts.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            url,
            attempts,
            _server: server,
        }
    }

    pub(crate) fn add(&self, token: &str, attempt: GatewayAttempt) {
        let mut attempts = self.attempts.by_token.write().unwrap();
        attempts.insert(TokenHash::of(token), attempt);
    }

    pub(crate) fn remove(&self, token: &str) {
        let mut attempts = self.attempts.by_token.write().unwrap();
        attempts.remove(&TokenHash::of(token)).unwrap();
    }

    /// The reported limits of the model API, in order.
    pub(crate) fn limits(&self) -> Vec<ReportModelLimit> {
        self.attempts.limits.read().unwrap().clone()
    }

    /// The reported requests, in order.
    pub(crate) fn usage(&self) -> Vec<ModelRequest> {
        self.attempts.usage.read().unwrap().clone()
    }

    /// The next reports of usage find no orchestrator.
    pub(crate) fn refuse_usage(&self, times: usize) {
        self.attempts.refusals.store(times, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> usize {
        self.attempts.asked.load(Ordering::SeqCst)
    }
}

async fn find(
    State(attempts): State<Attempts>,
    headers: HeaderMap,
    Json(asked): Json<FindAttempt>,
) -> Response {
    attempts.asked.fetch_add(1, Ordering::SeqCst);
    if headers["authorization"] != format!("Bearer {KEY}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match attempts.by_token.read().unwrap().get(&asked.token_hash) {
        Some(attempt) => Json(attempt.clone()).into_response(),
        None => {
            let error = json!({ "error": "none", "code": "not_found", "details": null });
            (StatusCode::NOT_FOUND, Json(error)).into_response()
        }
    }
}

async fn report_limit(
    State(attempts): State<Attempts>,
    headers: HeaderMap,
    Json(reported): Json<ReportModelLimit>,
) -> Response {
    if headers["authorization"] != format!("Bearer {KEY}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    attempts.limits.write().unwrap().push(reported);
    Json(json!({ "openForSeconds": 60 })).into_response()
}

async fn report_usage(
    State(attempts): State<Attempts>,
    headers: HeaderMap,
    Json(report): Json<ReportModelUsage>,
) -> Response {
    if headers["authorization"] != format!("Bearer {KEY}") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let is_refused = attempts
        .refusals
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
        .is_ok();
    if is_refused {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let mut usage = attempts.usage.write().unwrap();
    let before = usage.len();
    for request in report.requests {
        // A report may be repeated.
        if usage.iter().all(|known| known.id != request.id) {
            usage.push(request);
        }
    }
    Json(json!({ "recorded": usage.len() - before })).into_response()
}
