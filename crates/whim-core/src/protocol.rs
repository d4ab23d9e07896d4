//! Every request and answer body of the orchestrator's HTTP interface.
//!
//! JSON with camelCase names, times in RFC 3339 UTC. Requests refuse fields that they do not know, so that a typing
//! error is an answer and not a silent default.

pub mod error;
pub mod events;
pub mod learnings;
pub mod locks;
pub mod metrics;
pub mod queue;
pub mod reviews;
pub mod stats;
pub mod status;
pub mod work;
pub mod worker;

pub use error::{ErrorBody, ErrorCode};

/// The version of the worker protocol; `register` and every later call carry it in the header
/// [`PROTOCOL_VERSION_HEADER`], and an orchestrator refuses one that it does not speak (`FAULTS.md`, row 46).
pub const PROTOCOL_VERSION: u32 = 1;

/// The header that carries [`PROTOCOL_VERSION`].
pub const PROTOCOL_VERSION_HEADER: &str = "x-whim-protocol";
