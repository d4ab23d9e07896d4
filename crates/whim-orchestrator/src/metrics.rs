//! Prometheus metrics that are counted where the event happens. `docs/metrics.md` documents them.
//!
//! Each orchestrator counts its own transitions and attempts: add them up over all instances.

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
const TRANSCRIPT_BYTES: &str = "whim_transcript_bytes_total";
const REQUESTS: &str = "whim_http_requests_total";
const REQUEST_DURATION: &str = "whim_http_request_duration_seconds";
const REFUSED_CREDENTIALS: &str = "whim_auth_failures_total";
const LEARNINGS_REPORTED: &str = "whim_learnings_reported_total";
const LEARNINGS_GIVEN: &str = "whim_learnings_given_total";
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
pub const COUNTED: [Family; 15] = [
    counter(TRANSITIONS, "State changes of work items, by new state"),
    counter(CLAIMS, "Claimed work items"),
    histogram(
        CLAIM_DURATION,
        &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0],
        "Duration of a claim transaction, including the wait for other claims",
    ),
    histogram(
        CLAIM_WAIT,
        &[
            0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0,
            86_400.0,
        ],
        "Time from submission to first claim, including spec generation",
    ),
    counter(WORKER_STARTS, "Worker starts, by outcome"),
    counter(
        ATTEMPTS,
        "Ended attempts: completed, killed, or the failure cause",
    ),
    histogram(
        ATTEMPT_DURATION,
        &[
            1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0,
        ],
        "Time from claim to end of an attempt, by final worker state",
    ),
    counter(REVIEWS, "Reported reviews, by verdict"),
    counter(
        TRANSCRIPT_BYTES,
        "Compressed size of the transcripts that were stored",
    ),
    counter(
        LEARNINGS_REPORTED,
        "Learnings that attempts reported: stored, or refused by screening",
    ),
    counter(LEARNINGS_GIVEN, "Learnings that attempts received"),
    counter(REQUESTS, "HTTP responses, by listener, route, method and status"),
    histogram(
        REQUEST_DURATION,
        &[
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ],
        "Time from request header to response header",
    ),
    counter(
        REFUSED_CREDENTIALS,
        "Requests with a missing or wrong credential, by listener",
    ),
    histogram(
        POOL_WAIT,
        &[0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0],
        "Time that a transaction waited for a connection",
    ),
];

/// Initialises the counters with few and known labels to 0: `rate()` misses the first event of a counter that appears
/// with it.
pub fn initialise() {
    for status in WorkItemStatus::ALL {
        counter!(TRANSITIONS, "to" => status.as_str()).absolute(0);
    }
    counter!(CLAIMS).absolute(0);
    counter!(TRANSCRIPT_BYTES).absolute(0);
    counter!(LEARNINGS_GIVEN).absolute(0);
    for outcome in ["stored", "refused"] {
        counter!(LEARNINGS_REPORTED, "outcome" => outcome).absolute(0);
    }
    for outcome in ["started", "failed"] {
        counter!(WORKER_STARTS, "outcome" => outcome).absolute(0);
    }
    let causes = FailureCause::ALL.map(FailureCause::as_str);
    for outcome in [COMPLETED].into_iter().chain(causes) {
        counter!(ATTEMPTS, "outcome" => outcome).absolute(0);
    }
    for verdict in Verdict::ALL {
        counter!(REVIEWS, "verdict" => verdict.as_str()).absolute(0);
    }
    for listener in [Listener::Api, Listener::Workers] {
        counter!(REFUSED_CREDENTIALS, "listener" => listener.as_str()).absolute(0);
    }
}

/// A learning passed the screening.
pub fn learning_stored() {
    counter!(LEARNINGS_REPORTED, "outcome" => "stored").increment(1);
}

/// A learning did not pass the screening.
pub fn learning_refused() {
    counter!(LEARNINGS_REPORTED, "outcome" => "refused").increment(1);
}

/// An attempt received `count` learnings.
pub fn learnings_given(count: usize) {
    counter!(LEARNINGS_GIVEN).increment(count as u64);
}

/// `outcome` of an attempt with a pull request.
const COMPLETED: &str = "completed";

pub(crate) fn transition(to: WorkItemStatus) {
    counter!(TRANSITIONS, "to" => to.as_str()).increment(1);
}

/// `waited` is known for the first claim of an item.
pub(crate) fn claimed(took: Duration, waited: Option<Duration>) {
    counter!(CLAIMS).increment(1);
    histogram!(CLAIM_DURATION).record(took);
    if let Some(waited) = waited {
        histogram!(CLAIM_WAIT).record(waited);
    }
    transition(WorkItemStatus::Assigned);
}

pub(crate) fn worker_start(started: bool) {
    let outcome = if started { "started" } else { "failed" };
    counter!(WORKER_STARTS, "outcome" => outcome).increment(1);
}

pub(crate) fn attempt_ended(status: WorkerStatus, cause: Option<FailureCause>, took: Duration) {
    // The worker of a cancelled item was killed without a cause.
    let killed = (status == WorkerStatus::Killed).then_some(FailureCause::Killed);
    let outcome = killed.or(cause).map_or(COMPLETED, FailureCause::as_str);
    counter!(ATTEMPTS, "outcome" => outcome).increment(1);
    histogram!(ATTEMPT_DURATION, "status" => status.as_str()).record(took);
}

pub(crate) fn reviewed(verdict: Verdict) {
    counter!(REVIEWS, "verdict" => verdict.as_str()).increment(1);
}

pub(crate) fn transcript_stored(bytes: usize) {
    counter!(TRANSCRIPT_BYTES).increment(bytes as u64);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Api,
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

/// `route` is the pattern, never the path: each unknown path would create a time series.
pub(crate) fn answered(listener: Listener, method: &'static str, route: &str, status: u16, took: Duration) {
    let (listener, route) = (listener.as_str(), route.to_owned());
    counter!(REQUESTS, "listener" => listener, "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_DURATION, "listener" => listener, "route" => route, "method" => method).record(took);
}

pub(crate) fn refused_credential(listener: Listener) {
    counter!(REFUSED_CREDENTIALS, "listener" => listener.as_str()).increment(1);
}

pub(crate) fn pool_waited(pool: &'static str, waited: Duration) {
    histogram!(POOL_WAIT, "pool" => pool).record(waited);
}
