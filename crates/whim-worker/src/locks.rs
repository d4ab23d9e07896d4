//! Locks of files, so that two items do not change the same one.
//!
//! The agent asks before it edits: `ralph` has its harness run [`hook`] before each edit, which asks the worker at the
//! [`desk`], a unix socket beside the workspace; the worker asks the orchestrator ([`keeper`]), waits a while when another
//! item holds the file, and refuses then. What shell commands changed is locked afterwards, when it was committed.
//!
//! Locks keep items out of each other's way; they keep nobody from anything. A file outside the workspace is nobody
//! else's, and where the orchestrator or its Redis is away the edit goes ahead with a notice (`FAULTS.md`, row 32).

mod desk;
pub mod hook;
mod keeper;
mod place;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::desk::{Desk, DeskError};
pub use self::keeper::{Keeper, LONGEST_ANSWER};

/// The socket's name in its directory.
const SOCKET: &str = "socket";

/// The longest line that either side of the socket reads, in bytes: a path of 4096 bytes, each of them escaped.
const MAX_LINE_BYTES: u64 = 32 * 1024;

/// What the hook asks for: one line of JSON, one on each connection. Nothing else can be asked here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The file, as the agent named it.
    path: String,
}

/// What the worker answers: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
enum Answer {
    /// The edit may be made.
    GoAhead,
    /// Not now.
    Refused {
        /// Why and what to do instead, for the agent.
        reason: String,
    },
}

/// How long the hook may take when an edit waits for at most `wait`.
pub fn hook_limit(wait: Duration) -> Duration {
    wait + LONGEST_ANSWER + Duration::from_secs(10)
}
