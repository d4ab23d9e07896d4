//! What the orchestrator counts for Prometheus; `docs/metrics.md` has the same list for people.
//!
//! Transitions and attempts are counted by the orchestrator that made them: sums are over all of them. Gauges of the
//! queue are the database's, so every orchestrator shows the same.

use std::time::Duration;

use metrics::{counter, histogram};
use whim_core::protocol::reviews::Verdict;
use whim_core::{FailureCause, WorkItemStatus, WorkerStatus};
use whim_service::metrics::{Family, Kind};

const TRANSITIONS: &str = "whim_work_item_transitions_total";
const CLAIMS: &str = "whim_claims_total";
const CLAIM_DURATION: &str = "whim_claim_duration_seconds";
const CLAIM_WAIT: &str = "whim_queue_wait_seconds";
const WORKER_STARTS: &str = "whim_worker_starts_total";
const ATTEMPTS: &str = "whim_attempts_ended_total";
const ATTEMPT_DURATION: &str = "whim_attempt_duration_seconds";
const REVIEWS: &str = "whim_reviews_total";
const REQUESTS: &str = "whim_http_requests_total";
const REQUEST_DURATION: &str = "whim_http_request_duration_seconds";
const REFUSED_CREDENTIALS: &str = "whim_auth_failures_total";
const POOL_WAIT: &str = "whim_postgres_pool_wait_seconds";

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

const fn histogram(name: &'static str, bounds: &'static [f64], help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Histogram(bounds),
        help,
    }
}

/// Metrics that are counted where the event happens. The gauges of the queue are in [`crate::queue_sampler`].
pub const COUNTED: [Family; 12] = [
    counter(
        TRANSITIONS,
        "Changes of a work item's state, by the state that it came to",
    ),
    counter(CLAIMS, "Work items that were claimed for a worker"),
    histogram(
        CLAIM_DURATION,
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
        "How long the transaction of a claim took, the wait for other claims included",
    ),
    histogram(
        CLAIM_WAIT,
        &[
            0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0,
            86_400.0,
        ],
        "From the submission of a work item to its first claim; where Whim writes the spec, that is included",
    ),
    counter(
        WORKER_STARTS,
        "Workers that the runtime was asked to start, by whether it did",
    ),
    counter(
        ATTEMPTS,
        "Attempts that ended, by `completed`, `killed` or the cause of the failure",
    ),
    histogram(
        ATTEMPT_DURATION,
        &[
            1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0,
        ],
        "From the claim to the end of an attempt, by the state in which its worker ended",
    ),
    counter(REVIEWS, "Reviews that workers reported, by verdict"),
    counter(
        REQUESTS,
        "HTTP requests that were answered, by listener, route, method and status",
    ),
    histogram(
        REQUEST_DURATION,
        &[
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ],
        "From the head of a request to the head of its answer",
    ),
    counter(
        REFUSED_CREDENTIALS,
        "Requests with a missing or wrong credential, by listener",
    ),
    histogram(
        POOL_WAIT,
        &[0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0],
        "How long a transaction waited for a connection of its pool",
    ),
];

/// Makes the counters with few and known labels begin at 0: a counter that appears with its first event hides that
/// event from whoever looks at its growth.
pub fn begin_at_zero() {
    for status in WorkItemStatus::ALL {
        counter!(TRANSITIONS, "to" => status.as_str()).absolute(0);
    }
    counter!(CLAIMS).absolute(0);
    for outcome in ["started", "failed"] {
        counter!(WORKER_STARTS, "outcome" => outcome).absolute(0);
    }
    for outcome in [COMPLETED, KILLED]
        .into_iter()
        .chain(FailureCause::ALL.map(FailureCause::as_str))
    {
        counter!(ATTEMPTS, "outcome" => outcome).absolute(0);
    }
    for verdict in Verdict::ALL {
        counter!(REVIEWS, "verdict" => verdict.as_str()).absolute(0);
    }
    for listener in [Listener::Api, Listener::Workers] {
        counter!(REFUSED_CREDENTIALS, "listener" => listener.as_str()).absolute(0);
    }
}

/// The `outcome` of an attempt without a failure.
const COMPLETED: &str = "completed";
/// The `outcome` of an attempt that a person ended.
const KILLED: &str = "killed";

/// An item came to a state.
pub(crate) fn transition(to: WorkItemStatus) {
    counter!(TRANSITIONS, "to" => to.as_str()).increment(1);
}

/// An item was claimed; `waited` is known for first claims.
pub(crate) fn claimed(took: Duration, waited: Option<Duration>) {
    counter!(CLAIMS).increment(1);
    histogram!(CLAIM_DURATION).record(took);
    if let Some(waited) = waited {
        histogram!(CLAIM_WAIT).record(waited);
    }
    transition(WorkItemStatus::Assigned);
}

/// The runtime was asked for a worker.
pub(crate) fn worker_start(started: bool) {
    let outcome = if started { "started" } else { "failed" };
    counter!(WORKER_STARTS, "outcome" => outcome).increment(1);
}

/// An attempt ended.
pub(crate) fn attempt_ended(status: WorkerStatus, cause: Option<FailureCause>, took: Duration) {
    // What a person ended has no cause, or one that only says what follows for the item.
    let killed = (status == WorkerStatus::Killed).then_some(KILLED);
    let outcome = killed.or(cause.map(FailureCause::as_str)).unwrap_or(COMPLETED);
    counter!(ATTEMPTS, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_DURATION, "status" => status.as_str()).record(took);
}

/// A worker reported a review.
pub(crate) fn reviewed(verdict: Verdict) {
    counter!(REVIEWS, "verdict" => verdict.as_str()).increment(1);
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// That of people and intake.
    Api,
    /// That of the workers.
    Workers,
}

impl Listener {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Workers => "workers",
        }
    }
}

/// A request was answered. `route` is its pattern and never the path itself: what strangers write there would be a
/// series each.
pub(crate) fn answered(listener: Listener, method: &'static str, route: &str, status: u16, took: Duration) {
    let (listener, route) = (listener.as_str(), route.to_owned());
    counter!(REQUESTS, "listener" => listener, "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_DURATION, "listener" => listener, "route" => route, "method" => method).record(took);
}

/// A credential was missing or wrong.
pub(crate) fn refused_credential(listener: Listener) {
    counter!(REFUSED_CREDENTIALS, "listener" => listener.as_str()).increment(1);
}

/// A transaction got its connection.
pub(crate) fn pool_waited(pool: &'static str, waited: Duration) {
    histogram!(POOL_WAIT, "pool" => pool).record(waited);
}
