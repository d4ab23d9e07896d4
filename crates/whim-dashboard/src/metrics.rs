//! Prometheus metrics; `docs/metrics.md` documents them.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use whim_service::metrics::{Family, Kind};

const REQUESTS: &str = "whim_http_requests_total";
const REQUEST_DURATION: &str = "whim_http_request_duration_seconds";
const REFUSED_REQUESTS: &str = "whim_dashboard_refused_requests_total";
const LOGINS: &str = "whim_dashboard_logins_total";
const UPSTREAM_FAILURES: &str = "whim_dashboard_upstream_failures_total";
const EVENT_STREAMS: &str = "whim_dashboard_event_streams";
const CSP_REPORTS: &str = "whim_dashboard_csp_reports_total";

/// The label `listener` of metrics that the orchestrator has too.
const LISTENER: &str = "dashboard";

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

/// Every metric of the dashboard, besides those that all programs have.
pub const FAMILIES: [Family; 7] = [
    counter(REQUESTS, "HTTP responses, by listener, route, method and status"),
    Family {
        name: REQUEST_DURATION,
        kind: Kind::Histogram(&[
            0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ]),
        help: "Time from request header to response header",
    },
    counter(
        REFUSED_REQUESTS,
        "Requests refused for their host, their origin or a missing session, by reason",
    ),
    counter(LOGINS, "Login attempts, by outcome"),
    counter(
        UPSTREAM_FAILURES,
        "Requests that the orchestrator did not answer as expected, by cause",
    ),
    Family {
        name: EVENT_STREAMS,
        kind: Kind::Gauge,
        help: "Open event streams",
    },
    counter(
        CSP_REPORTS,
        "Violations of the content security policy reported by browsers, by directive",
    ),
];

/// Initialises the counters with few and known labels to 0: `rate()` misses the first event of a counter that appears
/// with it.
pub(crate) fn initialise() {
    for reason in [Refusal::Host, Refusal::Origin, Refusal::Session] {
        counter!(REFUSED_REQUESTS, "reason" => reason.as_str()).absolute(0);
    }
    for outcome in [
        LoginOutcome::Accepted,
        LoginOutcome::Refused,
        LoginOutcome::Limited,
    ] {
        counter!(LOGINS, "outcome" => outcome.as_str()).absolute(0);
    }
    gauge!(EVENT_STREAMS).set(0);
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    Host,
    Origin,
    Session,
}

impl Refusal {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Session => "session",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LoginOutcome {
    Accepted,
    Refused,
    Limited,
}

impl LoginOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Limited => "limited",
        }
    }
}

pub(crate) fn answered(method: &'static str, route: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    counter!(REQUESTS, "listener" => LISTENER, "route" => route.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_DURATION, "listener" => LISTENER, "route" => route, "method" => method).record(took);
}

pub(crate) fn refused(reason: Refusal) {
    counter!(REFUSED_REQUESTS, "reason" => reason.as_str()).increment(1);
}

pub(crate) fn login(outcome: LoginOutcome) {
    counter!(LOGINS, "outcome" => outcome.as_str()).increment(1);
}

pub(crate) fn upstream_failed(cause: &'static str) {
    counter!(UPSTREAM_FAILURES, "cause" => cause).increment(1);
}

/// `directive` is one of a known set.
pub(crate) fn csp_report(directive: &'static str) {
    counter!(CSP_REPORTS, "directive" => directive).increment(1);
}

/// Counts as an open event stream until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream(());

impl OpenStream {
    pub(crate) fn new() -> Self {
        gauge!(EVENT_STREAMS).increment(1);
        Self(())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        gauge!(EVENT_STREAMS).decrement(1);
    }
}
