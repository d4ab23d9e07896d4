//! File locks, so that two work items do not change the same file.
//!
//! Before each edit, the agent's harness runs [`hook`], which connects to the [`HookServer`] at a unix socket. The server
//! requests the lock from the orchestrator through the [`LockClient`], waits up to `LOCK_WAIT_TIMEOUT_SECONDS` if another
//! work item holds it, and then denies the edit. Files changed by shell commands are locked after they were committed.
//!
//! Locks are advisory. Files outside of the repository need none, and if the orchestrator or its Redis is unavailable the
//! edit is allowed and a notice is reported.

pub mod hook;
mod hook_server;
mod lock_client;
mod lock_scope;
mod protocol;

use std::time::Duration;

pub use self::hook_server::{HookServer, HookServerError};
pub use self::lock_client::{LockClient, MAX_DECISION_TIME};

/// Timeout of the hook if an edit waits for a lock for at most `lock_wait_timeout`.
pub fn hook_timeout(lock_wait_timeout: Duration) -> Duration {
    lock_wait_timeout + MAX_DECISION_TIME + Duration::from_secs(10)
}
