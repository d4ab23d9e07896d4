//! Prometheus metrics; `docs/metrics.md` documents them.

use metrics::{counter, gauge};
use whim_service::metrics::{Family, Kind};

const REQUESTS: &str = "whim_gateway_requests_total";
const REFUSALS: &str = "whim_gateway_refusals_total";
const LOOKUP_FAILURES: &str = "whim_gateway_lookup_failures_total";
const MODEL_LIMITS: &str = "whim_gateway_model_limits_total";
const MODEL_TOKENS: &str = "whim_gateway_model_tokens_total";
const MODEL_STREAMS: &str = "whim_gateway_model_streams";
const TUNNELS: &str = "whim_gateway_tunnels";
const TUNNEL_BYTES: &str = "whim_gateway_tunnel_bytes_total";

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

/// Every metric of the gateway, besides those that all programs have.
pub const FAMILIES: [Family; 8] = [
    counter(REQUESTS, "Responses, by part and status"),
    counter(REFUSALS, "Requests that the gateway refused, by part and reason"),
    counter(
        LOOKUP_FAILURES,
        "Lookups of a token that the orchestrator did not answer",
    ),
    counter(
        MODEL_LIMITS,
        "Responses of the model API that report a limit or a refused credential, by limit",
    ),
    counter(MODEL_TOKENS, "Tokens that the model API reported, by kind"),
    gauge(MODEL_STREAMS, "Responses of the model API in progress"),
    gauge(TUNNELS, "Open tunnels of the proxy"),
    counter(TUNNEL_BYTES, "Bytes through closed tunnels, by direction"),
];

/// A path of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Model,
    Git,
    GitHub,
    Proxy,
}

impl Part {
    const ALL: [Self; 4] = [Self::Model, Self::Git, Self::GitHub, Self::Proxy];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Git => "git",
            Self::GitHub => "github",
            Self::Proxy => "proxy",
        }
    }
}

/// Initialises the metrics with few and known labels: `rate()` misses the first event of a counter that appears with it.
pub(crate) fn initialise(model_limits: impl IntoIterator<Item = &'static str>) {
    counter!(LOOKUP_FAILURES).absolute(0);
    gauge!(MODEL_STREAMS).set(0);
    gauge!(TUNNELS).set(0);
    for limit in model_limits {
        counter!(MODEL_LIMITS, "limit" => limit).absolute(0);
    }
    for part in Part::ALL {
        counter!(REFUSALS, "part" => part.as_str(), "reason" => "unknown_token").absolute(0);
    }
}

pub(crate) fn answered(part: Part, status: u16) {
    counter!(REQUESTS, "part" => part.as_str(), "status" => status.to_string()).increment(1);
}

/// `reason` is one of a known set.
pub(crate) fn refused(part: Part, reason: &'static str) {
    counter!(REFUSALS, "part" => part.as_str(), "reason" => reason).increment(1);
}

pub(crate) fn lookup_failed() {
    counter!(LOOKUP_FAILURES).increment(1);
}

/// `limit` is one of a known set.
pub(crate) fn model_limit(limit: &'static str) {
    counter!(MODEL_LIMITS, "limit" => limit).increment(1);
}

/// `kind` is one of a known set.
pub(crate) fn tokens_used(by_kind: impl IntoIterator<Item = (&'static str, u64)>) {
    for (kind, tokens) in by_kind {
        counter!(MODEL_TOKENS, "kind" => kind).increment(tokens);
    }
}

/// Counts as a response in progress until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream(());

impl OpenStream {
    pub(crate) fn new() -> Self {
        gauge!(MODEL_STREAMS).increment(1);
        Self(())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        gauge!(MODEL_STREAMS).decrement(1);
    }
}

/// Counts as an open tunnel until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenTunnel(());

impl OpenTunnel {
    pub(crate) fn new() -> Self {
        gauge!(TUNNELS).increment(1);
        Self(())
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        gauge!(TUNNELS).decrement(1);
    }
}

pub(crate) fn tunnel_closed(sent: u64, received: u64) {
    for (direction, bytes) in [("sent", sent), ("received", received)] {
        counter!(TUNNEL_BYTES, "direction" => direction).increment(bytes);
    }
}
