//! A fake orchestrator for one worker.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};
use whim_core::protocol::worker::{
    AttemptEnded, Complete, Fail, Heartbeat, LeaseRenewed, LockConflict, LockFiles, LocksGranted, Register,
    Registered, Stuck,
};
use whim_core::protocol::{ErrorBody, ErrorCode, PROTOCOL_VERSION_HEADER};
use whim_core::{BranchName, RelativePath, WorkItemId, WorkItemStatus, WorkerId};

/// How the fake responds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FakeBehavior {
    #[default]
    Normal,
    /// With 503.
    Unavailable,
    /// With 409 `lease_lost`.
    LeaseLost,
    /// With 502 after it did what was requested.
    LosesResponses,
    /// The same, but only for the first final report.
    LosesFinalResponse,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FinalReport {
    Complete(Complete),
    Fail(Fail),
    Stuck(Stuck),
}

#[derive(Debug, Default)]
struct Book {
    token: String,
    registered: Option<Registered>,
    nonce: Option<String>,
    behavior: FakeBehavior,
    last_seq: u64,
    heartbeat_count: usize,
    heartbeats: Vec<Heartbeat>,
    final_reports: Vec<FinalReport>,
    /// Locks of other workers.
    held: BTreeMap<RelativePath, LockConflict>,
    lock_requests: Vec<LockFiles>,
}

pub(crate) struct Orchestrator {
    url: String,
    book: Arc<RwLock<Book>>,
    _server: JoinSet<()>,
}

impl Orchestrator {
    pub(crate) fn start() -> Self {
        let book = Arc::new(RwLock::new(Book::default()));
        let router = Router::new()
            .route("/api/worker/register", post(register))
            .route("/api/worker/{id}/heartbeat", post(heartbeat))
            .route("/api/worker/{id}/lock", post(lock))
            .route("/api/worker/{id}/complete", post(complete))
            .route("/api/worker/{id}/fail", post(fail))
            .route("/api/worker/{id}/stuck", post(stuck))
            .layer(from_fn_with_state(Arc::clone(&book), guard))
            .with_state(Arc::clone(&book));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let listener = TcpListener::from_std(listener).unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                panic!("the fake orchestrator stopped: {error}");
            }
        });
        Self {
            url,
            book,
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Starts an attempt with this assignment.
    pub(crate) fn assign(&self, registered: Registered, token: &str) {
        let mut book = write(&self.book);
        token.clone_into(&mut book.token);
        book.registered = Some(registered);
        book.nonce = None;
        book.last_seq = 0;
        book.final_reports.clear();
    }

    pub(crate) fn assignment(&self) -> Registered {
        read(&self.book).registered.clone().unwrap()
    }

    pub(crate) fn set_behavior(&self, behavior: FakeBehavior) {
        write(&self.book).behavior = behavior;
    }

    /// Locks a file for another worker.
    pub(crate) fn hold_lock(&self, file: RelativePath, branch: BranchName) -> LockConflict {
        let conflict = LockConflict {
            file,
            worker_id: WorkerId::new(),
            work_item_id: WorkItemId::new(),
            branch,
        };
        write(&self.book)
            .held
            .insert(conflict.file.clone(), conflict.clone());
        conflict
    }

    pub(crate) fn release_lock(&self, file: &RelativePath) {
        write(&self.book).held.remove(file);
    }

    /// The lock requests that were granted.
    pub(crate) fn lock_requests(&self) -> Vec<LockFiles> {
        read(&self.book).lock_requests.clone()
    }

    /// The number of heartbeats received, including refused ones.
    pub(crate) fn heartbeat_count(&self) -> usize {
        read(&self.book).heartbeat_count
    }

    /// The heartbeats that carried something new.
    pub(crate) fn heartbeats(&self) -> Vec<Heartbeat> {
        read(&self.book).heartbeats.clone()
    }

    pub(crate) fn worker_events(&self) -> Vec<WorkerEventBody> {
        let body = |event: WorkerEvent| event.body;
        self.heartbeats()
            .into_iter()
            .flat_map(|heartbeat| heartbeat.events)
            .map(body)
            .collect()
    }

    /// The names of `ralph`'s events, in order.
    pub(crate) fn ralph_events(&self) -> Vec<String> {
        let name = |event: Value| event["event"].as_str().unwrap_or_default().to_owned();
        let ralph = |event| {
            if let WorkerEventBody::Ralph { event } = event {
                Some(name(event))
            } else {
                None
            }
        };
        self.worker_events().into_iter().filter_map(ralph).collect()
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        let notice = |event| {
            if let WorkerEventBody::Notice { message } = event {
                Some(message)
            } else {
                None
            }
        };
        self.worker_events().into_iter().filter_map(notice).collect()
    }

    /// The latest checklist with the pushed head that belongs to it.
    pub(crate) fn checkpoint(&self) -> Option<(String, String)> {
        self.heartbeats()
            .into_iter()
            .rev()
            .find_map(|heartbeat| match (heartbeat.spec, heartbeat.head_sha) {
                (Some(spec), Some(head)) => Some((spec, head.to_string())),
                (None, None) => None,
                partial => panic!("spec without head, or head without spec: {partial:?}"),
            })
    }

    pub(crate) fn final_reports(&self) -> Vec<FinalReport> {
        read(&self.book).final_reports.clone()
    }
}

fn read(book: &RwLock<Book>) -> std::sync::RwLockReadGuard<'_, Book> {
    book.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(book: &RwLock<Book>) -> std::sync::RwLockWriteGuard<'_, Book> {
    book.write().unwrap_or_else(PoisonError::into_inner)
}

type Shared = State<Arc<RwLock<Book>>>;

async fn guard(State(book): Shared, request: Request, next: Next) -> Response {
    let (behavior, token) = {
        let mut book = write(&book);
        if request.uri().path().ends_with("/heartbeat") {
            book.heartbeat_count += 1;
        }
        (book.behavior, book.token.clone())
    };
    if !is_worker(request.headers(), &token) {
        return refusal(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized);
    }
    match behavior {
        FakeBehavior::Normal => next.run(request).await,
        FakeBehavior::Unavailable => refusal(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
        FakeBehavior::LeaseLost => refusal(StatusCode::CONFLICT, ErrorCode::LeaseLost),
        FakeBehavior::LosesFinalResponse if !is_final_report(request.uri().path()) => next.run(request).await,
        FakeBehavior::LosesResponses | FakeBehavior::LosesFinalResponse => {
            drop(next.run(request).await);
            if behavior == FakeBehavior::LosesFinalResponse {
                write(&book).behavior = FakeBehavior::Normal;
            }
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

fn is_final_report(path: &str) -> bool {
    ["/complete", "/fail", "/stuck"]
        .iter()
        .any(|route| path.ends_with(route))
}

fn is_worker(headers: &HeaderMap, token: &str) -> bool {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    headers.contains_key(PROTOCOL_VERSION_HEADER) && authorization == Some(&format!("Bearer {token}"))
}

fn refusal(status: StatusCode, code: ErrorCode) -> Response {
    let error = status.to_string();
    let body = ErrorBody {
        error,
        code,
        details: Value::Null,
    };
    (status, Json(body)).into_response()
}

async fn register(State(book): Shared, Json(asked): Json<Register>) -> Response {
    let mut book = write(&book);
    let registered = book.registered.clone().unwrap();
    if asked.worker_id != registered.worker_id {
        return refusal(StatusCode::FORBIDDEN, ErrorCode::Forbidden);
    }
    if book.nonce.get_or_insert_with(|| asked.nonce.clone()) != &asked.nonce {
        return refusal(StatusCode::CONFLICT, ErrorCode::AlreadyRegistered);
    }
    Json(registered).into_response()
}

async fn heartbeat(
    State(book): Shared,
    Path(_): Path<WorkerId>,
    Json(heartbeat): Json<Heartbeat>,
) -> Response {
    let mut book = write(&book);
    if !book.final_reports.is_empty() {
        return refusal(StatusCode::CONFLICT, ErrorCode::WrongState);
    }
    if heartbeat.seq > book.last_seq {
        book.last_seq = heartbeat.seq;
        book.heartbeats.push(heartbeat);
    }
    Json(LeaseRenewed {
        lease_seconds: book.registered.as_ref().unwrap().lease_seconds,
    })
    .into_response()
}

/// Grants all or none, or with `after` the unlocked ones.
async fn lock(State(book): Shared, Path(_): Path<WorkerId>, Json(asked): Json<LockFiles>) -> Response {
    let mut book = write(&book);
    let held_by_others = |file: &RelativePath| book.held.get(file).cloned();
    let conflicts: Vec<LockConflict> = asked.files.iter().filter_map(held_by_others).collect();
    if !asked.after && !conflicts.is_empty() {
        let body = ErrorBody {
            error: "locked".to_owned(),
            code: ErrorCode::LockHeld,
            details: json!({ "conflicts": conflicts }),
        };
        return (StatusCode::CONFLICT, Json(body)).into_response();
    }
    let mut files = asked.files.clone();
    files.retain(|file| conflicts.iter().all(|conflict| conflict.file != *file));
    book.lock_requests.push(asked);
    Json(LocksGranted { files, conflicts }).into_response()
}

async fn complete(State(book): Shared, Path(_): Path<WorkerId>, Json(body): Json<Complete>) -> Response {
    finish(&book, FinalReport::Complete(body), WorkItemStatus::Completed)
}

async fn fail(State(book): Shared, Path(_): Path<WorkerId>, Json(body): Json<Fail>) -> Response {
    finish(&book, FinalReport::Fail(body), WorkItemStatus::Failed)
}

async fn stuck(State(book): Shared, Path(_): Path<WorkerId>, Json(body): Json<Stuck>) -> Response {
    finish(&book, FinalReport::Stuck(body), WorkItemStatus::Queued)
}

/// A repeated report gets the same response.
fn finish(book: &RwLock<Book>, report: FinalReport, status: WorkItemStatus) -> Response {
    let mut book = write(book);
    match book.final_reports.first() {
        Some(first) if *first != report => return refusal(StatusCode::CONFLICT, ErrorCode::WrongState),
        Some(_) | None => book.final_reports.push(report),
    }
    Json(json!(AttemptEnded {
        status,
        next_retry_at: None
    }))
    .into_response()
}
