//! Every route of the fake, once.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use serde::de::DeserializeOwned;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::diff::{DiffStored, ReportDiff};
use whim_core::protocol::explain::Explanation;
use whim_core::protocol::intake::IntakeAccess;
use whim_core::protocol::learnings::{QuarantineDecision, QuarantinePage, Quarantined};
use whim_core::protocol::notes::{AddNote, Note, Notes};
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::reviews::{ReportReview, Review};
use whim_core::protocol::timeline::Timeline;
use whim_core::protocol::transcript::{TranscriptStored, UploadTranscript};
use whim_core::protocol::work::{
    CancelWork, CreateWork, FailSpec, PutSpec, RequeueWork, SetPriority, WorkFilter, WorkItem, WorkPage,
};
use whim_core::protocol::worker::{
    AttemptEnded, Complete, Fail, Heartbeat, LeaseRenewed, LockFiles, LocksGranted, Register, Registered,
    Stuck, UnlockFiles,
};
use whim_core::{WorkItemId, WorkerId};

use super::api_error::ApiError;
use super::shared::Shared;
use super::worker_record::FinalReport;

type App = State<Arc<Shared>>;
type Answer<T> = Result<axum::Json<T>, ApiError>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/work", post(create_work).get(list_work))
        .route("/api/work/{id}", get(get_work))
        .route("/api/work/{id}/cancel", post(cancel_work))
        .route("/api/work/{id}/explain", get(explain_work))
        .route("/api/work/{id}/requeue", post(requeue_work))
        .route("/api/work/{id}/priority", put(set_priority))
        .route("/api/work/{id}/notes", post(add_note).get(list_notes))
        .route("/api/work/{id}/timeline", get(work_timeline))
        .route("/api/work/{id}/spec", put(put_spec))
        .route("/api/work/{id}/spec/fail", post(fail_spec))
        .route("/api/learnings/quarantine", get(quarantine))
        .route("/api/learnings/quarantine/{id}", put(decide_quarantine))
        .route("/api/intake/access", put(report_intake_access))
        .route("/api/worker/register", post(register))
        .route("/api/worker/{id}/heartbeat", post(heartbeat))
        .route("/api/worker/{id}/notes", get(run_notes))
        .route("/api/worker/{id}/lock", post(lock))
        .route("/api/worker/{id}/unlock", post(unlock))
        .route("/api/worker/{id}/transcript", post(upload_transcript))
        .route("/api/worker/{id}/diff", post(report_diff))
        .route("/api/worker/{id}/preflight", post(report_preflight))
        .route("/api/worker/{id}/review", post(report_review))
        .route("/api/worker/{id}/complete", post(complete))
        .route("/api/worker/{id}/fail", post(fail))
        .route("/api/worker/{id}/stuck", post(stuck))
        .fallback(not_implemented)
        .with_state(shared)
}

async fn not_implemented() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the fake has no such route")
}

/// A body that the document allows; an empty one is the default where `T` has one.
struct Body<T>(T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| ApiError::new(ErrorCode::Internal, error.body_text()))?;
        // Optional bodies are documented as nullable.
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let body = serde_json::from_slice(text);
        body.map(Self).map_err(|error| {
            let error = format!("openapi.json allows a body that whim-core refuses: {error}");
            ApiError::new(ErrorCode::Internal, error)
        })
    }
}

/// The worker that the path names, whose token was presented.
struct Own(WorkerId);

impl<S: Send + Sync> FromRequestParts<S> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let caller = caller(parts)?;
        let Path(id) = Path::<WorkerId>::from_request_parts(parts, state)
            .await
            .map_err(|error| ApiError::invalid("id", error))?;
        if id == caller {
            Ok(Self(id))
        } else {
            let error = "the token belongs to another worker";
            Err(ApiError::new(ErrorCode::Forbidden, error))
        }
    }
}

/// The worker whose token was presented.
struct Caller(WorkerId);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        caller(parts).map(Self)
    }
}

fn caller(parts: &Parts) -> Result<WorkerId, ApiError> {
    let caller = parts.extensions.get::<WorkerId>().copied();
    caller.ok_or_else(|| ApiError::new(ErrorCode::Internal, "a worker route without a worker"))
}

async fn create_work(State(app): App, Body(body): Body<CreateWork>) -> Result<Response, ApiError> {
    let (is_new, item) = app.write().create(body)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(item)).into_response())
}

async fn list_work(State(app): App, Query(filter): Query<WorkFilter>) -> Answer<WorkPage> {
    app.read().list(&filter).map(axum::Json)
}

async fn get_work(State(app): App, Path(id): Path<WorkItemId>) -> Answer<WorkItem> {
    app.read().item(id).cloned().map(axum::Json)
}

async fn explain_work(State(app): App, Path(id): Path<WorkItemId>) -> Answer<Explanation> {
    app.read().explain(id).map(axum::Json)
}

async fn cancel_work(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<CancelWork>,
) -> Answer<WorkItem> {
    app.write().cancel(id, &body).map(axum::Json)
}

async fn requeue_work(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<RequeueWork>,
) -> Answer<WorkItem> {
    app.write().requeue(id, &body).map(axum::Json)
}

async fn set_priority(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<SetPriority>,
) -> Answer<WorkItem> {
    app.write().set_priority(id, body).map(axum::Json)
}

async fn add_note(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<AddNote>,
) -> Result<(StatusCode, axum::Json<Note>), ApiError> {
    let (note, is_new) = app.write().add_note(id, body)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(note)))
}

async fn list_notes(State(app): App, Path(id): Path<WorkItemId>) -> Answer<Notes> {
    app.read().notes_of_item(id).map(axum::Json)
}

async fn work_timeline(State(app): App, Path(id): Path<WorkItemId>) -> Answer<Timeline> {
    app.read().timeline(id).map(axum::Json)
}

async fn put_spec(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<PutSpec>,
) -> Answer<WorkItem> {
    app.write().put_spec(id, &body).map(axum::Json)
}

async fn fail_spec(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<FailSpec>,
) -> Answer<WorkItem> {
    app.write().fail_spec(id, &body).map(axum::Json)
}

async fn quarantine(State(app): App) -> axum::Json<QuarantinePage> {
    axum::Json(app.read().quarantine())
}

async fn decide_quarantine(
    State(app): App,
    Path(id): Path<WorkItemId>,
    Body(body): Body<QuarantineDecision>,
) -> Answer<Quarantined> {
    app.write().decide_quarantine(id, body).map(axum::Json)
}

async fn report_intake_access(State(app): App, Body(body): Body<IntakeAccess>) -> StatusCode {
    app.write().access_reports.push(body);
    StatusCode::NO_CONTENT
}

async fn register(State(app): App, Caller(id): Caller, Body(body): Body<Register>) -> Answer<Registered> {
    app.write().register(id, body).map(axum::Json)
}

async fn heartbeat(State(app): App, Own(id): Own, Body(body): Body<Heartbeat>) -> Answer<LeaseRenewed> {
    app.write().heartbeat(id, body).map(axum::Json)
}

async fn run_notes(State(app): App, Own(id): Own) -> Answer<Notes> {
    app.write().run_notes(id).map(axum::Json)
}

async fn lock(State(app): App, Own(id): Own, Body(body): Body<LockFiles>) -> Answer<LocksGranted> {
    app.write().lock(id, body).map(axum::Json)
}

async fn unlock(
    State(app): App,
    Own(id): Own,
    Body(body): Body<UnlockFiles>,
) -> Result<StatusCode, ApiError> {
    app.write().unlock(id, &body)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn upload_transcript(
    State(app): App,
    Own(id): Own,
    Body(body): Body<UploadTranscript>,
) -> Answer<TranscriptStored> {
    app.write().upload_transcript(id, body).map(axum::Json)
}

async fn report_diff(State(app): App, Own(id): Own, Body(body): Body<ReportDiff>) -> Answer<DiffStored> {
    app.write().report_diff(id, body).map(axum::Json)
}

async fn report_preflight(
    State(app): App,
    Own(id): Own,
    Body(body): Body<ReportPreflight>,
) -> Result<StatusCode, ApiError> {
    app.write().report_preflight(id, body)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn report_review(
    State(app): App,
    Own(id): Own,
    Body(body): Body<ReportReview>,
) -> Result<(StatusCode, axum::Json<Review>), ApiError> {
    let (review, is_new) = app.write().report_review(id, body)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(review)))
}

async fn complete(State(app): App, Own(id): Own, Body(body): Body<Complete>) -> Answer<AttemptEnded> {
    let report = FinalReport::Complete(body);
    app.write().end_attempt(id, report).map(axum::Json)
}

async fn fail(State(app): App, Own(id): Own, Body(body): Body<Fail>) -> Answer<AttemptEnded> {
    let report = FinalReport::Fail(body);
    app.write().end_attempt(id, report).map(axum::Json)
}

async fn stuck(State(app): App, Own(id): Own, Body(body): Body<Stuck>) -> Answer<AttemptEnded> {
    let report = FinalReport::Stuck(body);
    app.write().end_attempt(id, report).map(axum::Json)
}
