//! An orchestrator that runs nothing: the routes that the intake calls, with the real ones' idempotency, and a test's
//! hands on the items.

mod refusal;
mod routes;
mod state;

use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use whim_core::protocol::work::{FailSpec, RequeueWork, WorkItem};
use whim_core::{WorkItemId, WorkItemStatus};
use whim_testkit::wait::wait_until;

use self::state::State;

/// A running stand-in; it ends when it drops.
pub(crate) struct Orchestrator {
    url: String,
    shared: Arc<RwLock<State>>,
    _server: JoinSet<()>,
}

impl Orchestrator {
    /// Starts on a loopback port of its own, and asks for [`Self::API_KEY`].
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(RwLock::new(State::default()));
        let router = routes::router(Arc::clone(&shared));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            shared,
            _server: server,
        }
    }

    pub(crate) const API_KEY: &'static str = "the-key-of-the-orchestrator";

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every item, the oldest first.
    pub(crate) fn items(&self) -> Vec<WorkItem> {
        self.read(|state| state.items.clone())
    }

    /// The latest item of an issue.
    pub(crate) fn item_of(&self, issue: u64) -> Option<WorkItem> {
        let reference = issue.to_string();
        let of_issue = |item: &WorkItem| item.source_ref.as_deref() == Some(reference.as_str());
        self.items().into_iter().rfind(of_issue)
    }

    /// Changes fields of an issue's item, written as in its JSON form.
    pub(crate) fn change(&self, issue: u64, fields: &Value) {
        let item = self.item_of(issue).expect("the issue has an item");
        self.write(|state| state.change(item.id, fields));
    }

    /// Lets an issue's item end, and a worker's story of it be told.
    pub(crate) fn end(&self, issue: u64, status: WorkItemStatus, mut story: Value) {
        story["status"] = status.as_str().into();
        self.change(issue, &story);
    }

    /// Begins another run, as the dashboard does.
    pub(crate) fn requeue(&self, issue: u64) {
        let item = self.item_of(issue).expect("the issue has an item");
        self.write(|state| state.requeue(item.id, RequeueWork::default()))
            .unwrap();
    }

    /// Adds an item from elsewhere that waits for its spec.
    pub(crate) fn submit(&self, request: Value) -> WorkItem {
        let request = serde_json::from_value(request).unwrap();
        self.write(|state| state.create(request)).1
    }

    /// The time has come at which specs that were put off are to be tried again.
    pub(crate) fn end_waits(&self) {
        self.write(State::end_waits);
    }

    /// From now on the model is spared: a spec may be asked for none of the items, or for this one only.
    pub(crate) fn spare_model(&self, tries: Option<WorkItemId>) {
        self.write(|state| state.spared = Some(tries));
    }

    /// The model is spared no more.
    pub(crate) fn end_sparing(&self) {
        self.write(|state| state.spared = None);
    }

    /// What was told of specs that could not be written, in that order.
    pub(crate) fn spec_failures(&self) -> Vec<FailSpec> {
        self.read(|state| state.failures.clone())
    }

    /// From now on every call is refused with 503, or not any more.
    pub(crate) fn set_away(&self, away: bool) {
        self.write(|state| state.away = away);
    }

    /// How many calls there were of a method on a path; `*` stands for any one segment.
    pub(crate) fn count_requests(&self, method: &Method, path: &str) -> usize {
        let fits = |asked: &str| {
            let (asked, pattern) = (asked.split('/'), path.split('/'));
            asked.clone().count() == pattern.clone().count()
                && asked
                    .zip(pattern)
                    .all(|(asked, pattern)| pattern == "*" || asked == pattern)
        };
        self.read(|state| {
            let requests = state.requests.iter();
            requests
                .filter(|(asked_method, asked)| asked_method == method && fits(asked))
                .count()
        })
    }

    /// The next call of this method whose path ends so does its work, and is never answered.
    pub(crate) fn hold_answer(&self, method: Method, path_end: &'static str) {
        self.write(|state| state.hold = Some((method, path_end)));
    }

    /// Waits until the call of [`Self::hold_answer`] has done its work.
    pub(crate) async fn answer_held(&self) {
        wait_until("a call that is held", Duration::from_secs(20), async || {
            self.read(|state| match state.hold {
                Some((_, path_end)) => Err(format!("nobody called {path_end}")),
                None => Ok(()),
            })
        })
        .await
        .unwrap();
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.shared.write().unwrap_or_else(PoisonError::into_inner))
    }
}
