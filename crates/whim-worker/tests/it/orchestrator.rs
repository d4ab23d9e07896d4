//! An orchestrator that knows one worker: it speaks the protocol and keeps what it is told.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
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
use whim_core::{RelativePath, WorkItemId, WorkItemStatus, WorkerId};

/// What the orchestrator makes of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It does what it is asked to.
    Well,
    /// It answers 503.
    Away,
    /// It took the item away.
    TookTheItemAway,
    /// It does what it is asked to, and answers 502.
    LosesAnswers,
    /// It answers 502 to the first report of an end, which it takes.
    LosesTheLastAnswer,
}

/// The last word of a worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Final {
    Complete(Complete),
    Fail(Fail),
    Stuck(Stuck),
}

#[derive(Debug)]
struct Book {
    token: String,
    registered: Registered,
    nonce: Option<String>,
    mood: Mood,
    last_seq: u64,
    beats: usize,
    heartbeats: Vec<Heartbeat>,
    finals: Vec<Final>,
    /// Files that other workers have locked.
    held: BTreeMap<RelativePath, LockConflict>,
    locked: Vec<LockFiles>,
}

/// The running stand-in.
pub(crate) struct Orchestrator {
    pub(crate) url: String,
    book: Arc<RwLock<Book>>,
    _server: JoinSet<()>,
}

impl Orchestrator {
    pub(crate) async fn start(registered: Registered, token: &str) -> anyhow::Result<Self> {
        let book = Arc::new(RwLock::new(Book {
            token: token.to_owned(),
            registered,
            nonce: None,
            mood: Mood::Well,
            last_seq: 0,
            beats: 0,
            heartbeats: Vec::new(),
            finals: Vec::new(),
            held: BTreeMap::new(),
            locked: Vec::new(),
        }));
        let router = Router::new()
            .route("/api/worker/register", post(register))
            .route("/api/worker/{id}/heartbeat", post(heartbeat))
            .route("/api/worker/{id}/lock", post(lock))
            .route("/api/worker/{id}/complete", post(complete))
            .route("/api/worker/{id}/fail", post(fail))
            .route("/api/worker/{id}/stuck", post(stuck))
            .layer(from_fn_with_state(Arc::clone(&book), guard))
            .with_state(Arc::clone(&book));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("binding")?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                panic!("the orchestrator stand-in ended: {error}");
            }
        });
        Ok(Self {
            url,
            book,
            _server: server,
        })
    }

    /// Another worker has locked this file.
    pub(crate) fn hold(&self, file: &str, branch: &str) -> anyhow::Result<LockConflict> {
        let conflict = LockConflict {
            file: file.parse()?,
            worker_id: WorkerId::new(),
            work_item_id: WorkItemId::new(),
            branch: branch.parse()?,
        };
        write(&self.book)
            .held
            .insert(conflict.file.clone(), conflict.clone());
        Ok(conflict)
    }

    /// It has it no more.
    pub(crate) fn release(&self, file: &str) {
        write(&self.book).held.retain(|held, _| held.as_str() != file);
    }

    /// The requests for locks that were not refused.
    pub(crate) fn locked(&self) -> Vec<LockFiles> {
        read(&self.book).locked.clone()
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        write(&self.book).mood = mood;
    }

    /// A new attempt at the same item: another worker, another epoch, what the one before left.
    pub(crate) fn assign_again(&self, change: impl FnOnce(&mut Registered)) {
        let mut book = write(&self.book);
        change(&mut book.registered);
        book.nonce = None;
        book.last_seq = 0;
        book.finals.clear();
        book.mood = Mood::Well;
    }

    pub(crate) fn registered(&self) -> Registered {
        read(&self.book).registered.clone()
    }

    /// How many heartbeats came, answered or not.
    pub(crate) fn beats(&self) -> usize {
        read(&self.book).beats
    }

    /// The heartbeats that carried something new.
    pub(crate) fn heartbeats(&self) -> Vec<Heartbeat> {
        read(&self.book).heartbeats.clone()
    }

    pub(crate) fn events(&self) -> Vec<WorkerEventBody> {
        let body = |event: WorkerEvent| event.body;
        self.heartbeats()
            .into_iter()
            .flat_map(|heartbeat| heartbeat.events)
            .map(body)
            .collect()
    }

    /// The names of `ralph`'s events, in order.
    pub(crate) fn ralph_events(&self) -> Vec<String> {
        let ralph = |event| {
            if let WorkerEventBody::Ralph { event } = event {
                Some(event.name().to_owned())
            } else {
                None
            }
        };
        self.events().into_iter().filter_map(ralph).collect()
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        let notice = |event| {
            if let WorkerEventBody::Notice { message } = event {
                Some(message)
            } else {
                None
            }
        };
        self.events().into_iter().filter_map(notice).collect()
    }

    /// The newest ticks with the head that they belong to.
    pub(crate) fn checkpoint(&self) -> Option<(String, String)> {
        self.heartbeats()
            .into_iter()
            .rev()
            .find_map(|heartbeat| match (heartbeat.spec, heartbeat.head_sha) {
                (Some(spec), Some(head)) => Some((spec, head.to_string())),
                (None, None) => None,
                half => panic!("spec and head belong together: {half:?}"),
            })
    }

    pub(crate) fn finals(&self) -> Vec<Final> {
        read(&self.book).finals.clone()
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
    let (mood, token) = {
        let mut book = write(&book);
        if request.uri().path().ends_with("/heartbeat") {
            book.beats += 1;
        }
        (book.mood, book.token.clone())
    };
    if !is_worker(request.headers(), &token) {
        return refusal(StatusCode::UNAUTHORIZED, ErrorCode::Unauthorized);
    }
    match mood {
        Mood::Well => next.run(request).await,
        Mood::Away => refusal(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
        Mood::TookTheItemAway => refusal(StatusCode::CONFLICT, ErrorCode::LeaseLost),
        Mood::LosesTheLastAnswer if !is_last_word(request.uri().path()) => next.run(request).await,
        Mood::LosesAnswers | Mood::LosesTheLastAnswer => {
            let _lost = next.run(request).await;
            if mood == Mood::LosesTheLastAnswer {
                write(&book).mood = Mood::Well;
            }
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

fn is_last_word(path: &str) -> bool {
    ["/complete", "/fail", "/stuck"]
        .iter()
        .any(|end| path.ends_with(end))
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
    if asked.worker_id != book.registered.worker_id {
        return refusal(StatusCode::FORBIDDEN, ErrorCode::Forbidden);
    }
    if book.nonce.get_or_insert_with(|| asked.nonce.clone()) != &asked.nonce {
        return refusal(StatusCode::CONFLICT, ErrorCode::AlreadyRegistered);
    }
    Json(book.registered.clone()).into_response()
}

async fn heartbeat(
    State(book): Shared,
    Path(_): Path<WorkerId>,
    Json(heartbeat): Json<Heartbeat>,
) -> Response {
    let mut book = write(&book);
    if !book.finals.is_empty() {
        return refusal(StatusCode::CONFLICT, ErrorCode::WrongState);
    }
    if heartbeat.seq > book.last_seq {
        book.last_seq = heartbeat.seq;
        book.heartbeats.push(heartbeat);
    }
    Json(LeaseRenewed {
        lease_seconds: book.registered.lease_seconds,
    })
    .into_response()
}

/// As the orchestrator does it: all or none, or what is free.
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
    book.locked.push(asked);
    Json(LocksGranted { files, conflicts }).into_response()
}

async fn complete(State(book): Shared, Path(_): Path<WorkerId>, Json(body): Json<Complete>) -> Response {
    finish(&book, Final::Complete(body), WorkItemStatus::Completed)
}

async fn fail(State(book): Shared, Path(_): Path<WorkerId>, Json(body): Json<Fail>) -> Response {
    finish(&book, Final::Fail(body), WorkItemStatus::Failed)
}

async fn stuck(State(book): Shared, Path(_): Path<WorkerId>, Json(body): Json<Stuck>) -> Response {
    finish(&book, Final::Stuck(body), WorkItemStatus::Queued)
}

/// The same word twice gets the same answer twice.
fn finish(book: &RwLock<Book>, word: Final, status: WorkItemStatus) -> Response {
    let mut book = write(book);
    match book.finals.first() {
        Some(first) if *first != word => return refusal(StatusCode::CONFLICT, ErrorCode::WrongState),
        Some(_) | None => book.finals.push(word),
    }
    Json(json!(AttemptEnded {
        status,
        next_retry_at: None
    }))
    .into_response()
}
