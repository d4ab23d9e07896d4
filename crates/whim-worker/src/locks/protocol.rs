//! The messages between the hook and the worker: one line of JSON in each direction, one exchange per connection.

use serde::{Deserialize, Serialize};

/// The file name of the socket in its directory.
pub(super) const SOCKET: &str = "socket";

/// Limit on a message in bytes: a path of 4096 bytes, each of them escaped.
pub(super) const MAX_LINE_BYTES: u64 = 32 * 1024;

/// Sent by the hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LockRequest {
    /// The file, as named by the agent.
    pub(super) path: String,
}

/// Sent by the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub(super) enum LockDecision {
    Allowed,
    Denied {
        /// Why, and what to do instead. Shown to the agent.
        reason: String,
    },
}
