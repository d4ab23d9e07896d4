//! Request and response bodies of the orchestrator's HTTP API.
//!
//! JSON with camelCase names and RFC 3339 times in UTC. Requests reject unknown fields, so that a typo is an error and not
//! a silent default.

pub mod checks;
pub mod costs;
pub mod diff;
pub mod error;
pub mod events;
pub mod explain;
pub mod gateway;
pub mod intake;
pub mod learnings;
pub mod locks;
pub mod metrics;
pub mod notes;
pub mod preflight;
pub mod queue;
pub mod reviews;
pub mod settings;
pub mod stats;
pub mod status;
pub mod tasks;
pub mod timeline;
pub mod transcript;
pub mod work;
pub mod worker;
pub mod workers;

pub use error::{ErrorBody, ErrorCode};

/// Version of the worker protocol. Every call of a worker carries it in [`PROTOCOL_VERSION_HEADER`]; an orchestrator
/// refuses other versions (`docs/faults.md`, row 46).
pub const PROTOCOL_VERSION: u32 = 1;

pub const PROTOCOL_VERSION_HEADER: &str = "x-whim-protocol";
