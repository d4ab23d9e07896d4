//! The routes, and what all of them have in common.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::extract::{Path, Query, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use whim_core::WorkItemId;
use whim_core::protocol::queue::Explanation;
use whim_core::protocol::work::{CreateWork, FailSpec, PutSpec, RequeueWork, WorkFilter, WorkItem, WorkPage};
use whim_core::protocol::{ErrorCode, PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};

use super::Orchestrator;
use super::refusal::Refusal;
use super::state::State as Items;

type Shared = Arc<RwLock<Items>>;
type Answer = Result<Json<WorkItem>, Refusal>;

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/api/work", post(create).get(list))
        .route("/api/work/{id}", get(look))
        .route("/api/work/{id}/explain", get(explain))
        .route("/api/work/{id}/spec", put(hand_in))
        .route("/api/work/{id}/spec/fail", post(fail_spec))
        .route("/api/work/{id}/requeue", post(requeue))
        .layer(from_fn_with_state(Arc::clone(&shared), admit))
        .with_state(shared)
}

fn read(shared: &Shared) -> RwLockReadGuard<'_, Items> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shared: &Shared) -> RwLockWriteGuard<'_, Items> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

/// Asks who calls, writes it down, and plays the trouble that a test ordered.
async fn admit(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Err(refusal) = check_headers(request.headers()) {
        return refusal.into_response();
    }
    write(&shared).requests.push((method.clone(), path.clone()));
    if read(&shared).away {
        return Refusal::new(ErrorCode::Unavailable, "Postgres is away").into_response();
    }
    let answer = next.run(request).await;
    let is_held = |held: &mut (_, &str)| held.0 == method && path.ends_with(held.1);
    if write(&shared).hold.take_if(is_held).is_some() {
        std::future::pending::<()>().await;
    }
    answer
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = format!("Bearer {}", Orchestrator::API_KEY);
    if header(AUTHORIZATION.as_str()) != Some(key.as_str()) {
        return Err(Refusal::new(ErrorCode::Unauthorized, "expected the API key"));
    }
    if header(PROTOCOL_VERSION_HEADER) != Some(PROTOCOL_VERSION.to_string().as_str()) {
        return Err(Refusal::new(
            ErrorCode::InvalidRequest,
            "expected the protocol's version",
        ));
    }
    Ok(())
}

async fn create(
    State(shared): State<Shared>,
    Json(request): Json<CreateWork>,
) -> (StatusCode, Json<WorkItem>) {
    let (is_new, item) = write(&shared).create(request);
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    (status, Json(item))
}

async fn list(
    State(shared): State<Shared>,
    Query(filter): Query<WorkFilter>,
) -> Result<Json<WorkPage>, Refusal> {
    read(&shared).list(&filter).map(Json)
}

async fn look(State(shared): State<Shared>, Path(id): Path<WorkItemId>) -> Answer {
    read(&shared).get(id).map(Json)
}

async fn explain(
    State(shared): State<Shared>,
    Path(id): Path<WorkItemId>,
) -> Result<Json<Explanation>, Refusal> {
    read(&shared).explain(id).map(Json)
}

async fn hand_in(
    State(shared): State<Shared>,
    Path(id): Path<WorkItemId>,
    Json(spec): Json<PutSpec>,
) -> Answer {
    write(&shared).hand_in(id, spec).map(Json)
}

async fn fail_spec(
    State(shared): State<Shared>,
    Path(id): Path<WorkItemId>,
    Json(fail): Json<FailSpec>,
) -> Answer {
    write(&shared).fail_spec(id, &fail).map(Json)
}

async fn requeue(
    State(shared): State<Shared>,
    Path(id): Path<WorkItemId>,
    Json(requeue): Json<RequeueWork>,
) -> Answer {
    write(&shared).requeue(id, requeue).map(Json)
}
