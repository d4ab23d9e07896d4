//! The worker protocol. Every route requires the worker's own token and its own identifier.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use whim_core::protocol::diff::{DiffStored, ReportDiff};
use whim_core::protocol::notes::Notes;
use whim_core::protocol::preflight::ReportPreflight;
use whim_core::protocol::reviews::{ReportReview, Review};
use whim_core::protocol::transcript::{TranscriptStored, UploadTranscript};
use whim_core::protocol::worker::{
    AttemptEnded, Complete, Fail, Heartbeat, LeaseRenewed, LockFiles, LocksGranted, Register, Registered,
    Stuck, UnlockFiles,
};
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_core::{WorkerId, WorkerToken};

use super::bearer::bearer;
use super::error::ApiError;
use super::extract::{CompressedJson, Id, Json};
use super::tokens::LiveTokens;
use crate::app::App;
use crate::db::workers;
use crate::history;
use crate::lifecycle::{self, Caller, ReviewReport};

/// How long the token of an ended worker is accepted: for a report that is repeated because its response was lost, and
/// for the response that the item was taken away.
const TOKEN_GRACE_PERIOD: Duration = Duration::from_hours(1);

/// State shared by the routes of workers.
#[derive(Clone, Debug)]
pub(super) struct WorkerState {
    app: App,
    tokens: Arc<LiveTokens>,
}

impl WorkerState {
    pub(super) fn new(app: App) -> Self {
        Self {
            app,
            tokens: Arc::default(),
        }
    }
}

impl FromRef<WorkerState> for App {
    fn from_ref(state: &WorkerState) -> Self {
        state.app.clone()
    }
}

/// Answers 426 to callers with another version of the protocol (docs/faults.md, row 46).
pub(super) async fn require_version(request: Request, next: Next) -> Response {
    let version = request
        .headers()
        .get(PROTOCOL_VERSION_HEADER)
        .and_then(|version| version.to_str().ok());
    if version.and_then(|version| version.parse().ok()) == Some(PROTOCOL_VERSION) {
        next.run(request).await
    } else {
        ApiError::unknown_protocol(version).into_response()
    }
}

/// The worker whose token was presented.
pub(super) struct TokenBearer(Caller);

/// The worker in the path, which presented its own token. Looked up in the database.
pub(super) struct Named(Caller);

/// The same, from the cache if possible.
pub(super) struct Cached(Caller);

fn presented(parts: &Parts) -> Result<WorkerToken, ApiError> {
    bearer(&parts.headers)
        .map(WorkerToken::presented)
        .ok_or_else(|| ApiError::unauthorized("expected the worker's token as `Authorization: Bearer …`"))
}

/// Finds the worker by the hash of its token: the duration reveals nothing about a token of 256 random bits.
async fn look_up(state: &WorkerState, token: &WorkerToken) -> Result<Caller, ApiError> {
    let owner = workers::by_token(&state.app.work_database, &token.hash(), TOKEN_GRACE_PERIOD)
        .await?
        .ok_or_else(|| {
            ApiError::unauthorized("the token is unknown, or its worker ended more than an hour ago")
        })?;
    let workers::TokenOwner {
        id,
        lease_epoch,
        repo,
        max_iterations,
        live,
    } = owner;
    let caller = Caller {
        id,
        lease_epoch,
        repo,
        max_iterations,
    };
    if live {
        state.tokens.insert(token, &caller);
    }
    Ok(caller)
}

fn require_own(caller: Caller, named: WorkerId) -> Result<Caller, ApiError> {
    if caller.id == named {
        Ok(caller)
    } else {
        Err(ApiError::forbidden("the token belongs to another worker"))
    }
}

impl FromRequestParts<WorkerState> for TokenBearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &WorkerState) -> Result<Self, ApiError> {
        let token = presented(parts)?;
        look_up(state, &token).await.map(Self)
    }
}

impl FromRequestParts<WorkerState> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &WorkerState) -> Result<Self, ApiError> {
        let TokenBearer(caller) = TokenBearer::from_request_parts(parts, state).await?;
        let Id(named) = Id::<WorkerId>::from_request_parts(parts, state).await?;
        require_own(caller, named).map(Self)
    }
}

impl FromRequestParts<WorkerState> for Cached {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &WorkerState) -> Result<Self, ApiError> {
        let token = presented(parts)?;
        let caller = match state.tokens.get(&token) {
            Some(caller) => caller,
            None => look_up(state, &token).await?,
        };
        let Id(named) = Id::<WorkerId>::from_request_parts(parts, state).await?;
        require_own(caller, named).map(Self)
    }
}

/// Registers a started worker and returns its assignment.
#[utoipa::path(post, path = "/api/worker/register", request_body = Register, responses((status = 200, description = "The assignment", body = Registered)))]
pub(super) async fn register(
    State(app): State<App>,
    TokenBearer(caller): TokenBearer,
    Json(body): Json<Register>,
) -> Result<Answer<Registered>, ApiError> {
    let caller = require_own(caller, body.worker_id)?;
    Ok(Answer(lifecycle::register(&app, &caller, body).await?))
}

/// Renews the lease; carries events, stage, the checklist and the pushed head.
#[utoipa::path(post, path = "/api/worker/{id}/heartbeat", params(("id" = WorkerId, Path, description = "The worker")), request_body = Heartbeat, responses((status = 200, description = "The lease is renewed", body = LeaseRenewed)))]
pub(super) async fn heartbeat(
    State(app): State<App>,
    Cached(caller): Cached,
    Json(body): Json<Heartbeat>,
) -> Result<Answer<LeaseRenewed>, ApiError> {
    Ok(Answer(lifecycle::heartbeat(&app, &caller, body).await?))
}

/// The notes of the run that the worker works in.
#[utoipa::path(get, path = "/api/worker/{id}/notes", params(("id" = WorkerId, Path, description = "The worker")), responses((status = 200, description = "The notes, oldest first", body = Notes)))]
pub(super) async fn run_notes(
    State(app): State<App>,
    Named(caller): Named,
) -> Result<Answer<Notes>, ApiError> {
    Ok(Answer(lifecycle::notes(&app, &caller).await?))
}

/// Locks files, all or none.
#[utoipa::path(post, path = "/api/worker/{id}/lock", params(("id" = WorkerId, Path, description = "The worker")), request_body = LockFiles, responses((status = 200, description = "All are locked", body = LocksGranted)))]
pub(super) async fn lock(
    State(app): State<App>,
    // Whether it still holds its item is checked when the lock is copied to Postgres.
    Cached(caller): Cached,
    Json(body): Json<LockFiles>,
) -> Result<Answer<LocksGranted>, ApiError> {
    Ok(Answer(lifecycle::lock(&app, &caller, body).await?))
}

/// Releases files.
#[utoipa::path(post, path = "/api/worker/{id}/unlock", params(("id" = WorkerId, Path, description = "The worker")), request_body = UnlockFiles, responses((status = 204, description = "They are released")))]
pub(super) async fn unlock(
    State(app): State<App>,
    Named(caller): Named,
    Json(body): Json<UnlockFiles>,
) -> Result<StatusCode, ApiError> {
    lifecycle::unlock(&app, &caller, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reports what was examined before the agent starts.
#[utoipa::path(post, path = "/api/worker/{id}/preflight", params(("id" = WorkerId, Path, description = "The worker")), request_body = ReportPreflight, responses((status = 204, description = "It is stored")))]
pub(super) async fn report_preflight(
    State(app): State<App>,
    Named(caller): Named,
    Json(body): Json<ReportPreflight>,
) -> Result<StatusCode, ApiError> {
    lifecycle::preflight(&app, &caller, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reports a review of the agent's work.
#[utoipa::path(post, path = "/api/worker/{id}/review", params(("id" = WorkerId, Path, description = "The worker")), request_body = ReportReview, responses((status = 201, description = "The new review", body = Review), (status = 200, description = "The review of this round that was reported before", body = Review)))]
pub(super) async fn report_review(
    State(app): State<App>,
    Named(caller): Named,
    Json(body): Json<ReportReview>,
) -> Result<(StatusCode, Answer<Review>), ApiError> {
    Ok(match lifecycle::review(&app, &caller, body).await? {
        ReviewReport::New(review) => (StatusCode::CREATED, Answer(review)),
        ReviewReport::Existing(review) => (StatusCode::OK, Answer(review)),
    })
}

/// Appends to the transcript of the attempt, also after its end.
#[utoipa::path(post, path = "/api/worker/{id}/transcript", params(("id" = WorkerId, Path, description = "The worker")), request_body = UploadTranscript, responses((status = 200, description = "The entries are stored", body = TranscriptStored)))]
pub(super) async fn upload_transcript(
    State(app): State<App>,
    Cached(caller): Cached,
    CompressedJson(body): CompressedJson<UploadTranscript>,
) -> Result<Answer<TranscriptStored>, ApiError> {
    Ok(Answer(history::upload_transcript(&app, caller.id, body).await?))
}

/// Reports what the branch changes, after a push.
#[utoipa::path(post, path = "/api/worker/{id}/diff", params(("id" = WorkerId, Path, description = "The worker")), request_body = ReportDiff, responses((status = 200, description = "The diff is stored", body = DiffStored)))]
pub(super) async fn report_diff(
    State(app): State<App>,
    Cached(caller): Cached,
    CompressedJson(body): CompressedJson<ReportDiff>,
) -> Result<Answer<DiffStored>, ApiError> {
    Ok(Answer(history::report_diff(&app, caller.id, body).await?))
}

/// Reports that the pull request is open.
#[utoipa::path(post, path = "/api/worker/{id}/complete", params(("id" = WorkerId, Path, description = "The worker")), request_body = Complete, responses((status = 200, description = "The resulting state of the item", body = AttemptEnded)))]
pub(super) async fn complete(
    State(app): State<App>,
    Named(caller): Named,
    Json(body): Json<Complete>,
) -> Result<Answer<AttemptEnded>, ApiError> {
    Ok(Answer(lifecycle::complete(&app, &caller, body).await?))
}

/// Reports that the attempt ended without a pull request.
#[utoipa::path(post, path = "/api/worker/{id}/fail", params(("id" = WorkerId, Path, description = "The worker")), request_body = Fail, responses((status = 200, description = "The resulting state of the item", body = AttemptEnded)))]
pub(super) async fn fail(
    State(app): State<App>,
    Named(caller): Named,
    Json(body): Json<Fail>,
) -> Result<Answer<AttemptEnded>, ApiError> {
    Ok(Answer(lifecycle::fail(&app, &caller, body).await?))
}

/// Reports that the agent makes no progress.
#[utoipa::path(post, path = "/api/worker/{id}/stuck", params(("id" = WorkerId, Path, description = "The worker")), request_body = Stuck, responses((status = 200, description = "The resulting state of the item", body = AttemptEnded)))]
pub(super) async fn stuck(
    State(app): State<App>,
    Named(caller): Named,
    Json(body): Json<Stuck>,
) -> Result<Answer<AttemptEnded>, ApiError> {
    Ok(Answer(lifecycle::stuck(&app, &caller, body).await?))
}
