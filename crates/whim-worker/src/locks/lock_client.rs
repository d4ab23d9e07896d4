//! Requests locks from the orchestrator, and remembers those that were granted.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use whim_client::{ClientError, WorkerClient};
use whim_core::RelativePath;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::worker::{LockConflict, LockFiles};
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;

use super::protocol::LockDecision;
use crate::report::Reporter;
use crate::text::counted;

/// While another work item holds the lock.
const BACKOFF: ExponentialBuilder = backoff::exponential(Duration::from_millis(200), MAX_DELAY);
const MAX_DELAY: Duration = Duration::from_secs(2);

/// How long an edit waits for an unavailable orchestrator: about the time of a restart.
const OUTAGE_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time to a decision, beyond the wait for a lock held by another work item.
pub const MAX_DECISION_TIME: Duration = Duration::from_secs(15);

/// Limits the size of a request, whatever the file names.
const FILES_PER_REQUEST: usize = 500;
/// Limit on the files locked after they were changed, such as by formatting the whole repository.
const MAX_CHANGED_FILES: usize = 5000;
/// Limit on the files named in notices.
const MAX_NAMED_FILES: usize = 5;

/// Clones share the set of granted locks. The orchestrator releases them when the attempt ends.
#[derive(Clone, Debug)]
pub struct LockClient {
    client: WorkerClient,
    reporter: Reporter,
    wait_timeout: Duration,
    state: Arc<RwLock<LockState>>,
}

#[derive(Debug, Default)]
struct LockState {
    held: BTreeSet<RelativePath>,
    /// Files that were changed although other work items hold their locks, each reported once.
    conflicting: BTreeSet<RelativePath>,
    outage_reported: bool,
    limit_reported: bool,
}

impl LockClient {
    /// `wait_timeout` limits how long an edit waits for a lock held by another work item.
    pub fn new(client: WorkerClient, reporter: Reporter, wait_timeout: Duration) -> Self {
        Self {
            client,
            reporter,
            wait_timeout,
            state: Arc::default(),
        }
    }

    /// How long an edit waits for a lock held by another work item.
    pub fn wait_timeout(&self) -> Duration {
        self.wait_timeout
    }

    /// Locks a file that is about to be edited.
    pub(super) async fn lock_before_edit(&self, file: &RelativePath) -> LockDecision {
        if self.read(|state| state.held.contains(file)) {
            return LockDecision::Allowed;
        }
        let request = LockFiles {
            files: vec![file.clone()],
            after: false,
        };
        let start = Instant::now();
        let (mut outage_start, mut wait_reported) = (None, false);
        let mut delays = BACKOFF.build();
        loop {
            let mut delay = delays.next().unwrap_or(MAX_DELAY);
            match self.request(&request).await {
                Ok(_) => {
                    self.add_held([file.clone()]);
                    if wait_reported {
                        let waited = seconds(start.elapsed());
                        self.reporter
                            .notice(&format!("{file} was unlocked after {waited}"));
                    }
                    return LockDecision::Allowed;
                }
                Err(NotGranted::Held(conflicts)) => {
                    outage_start = None;
                    let holder = conflicts
                        .first()
                        .map_or_else(|| "another work item".to_owned(), holder);
                    if start.elapsed() >= self.wait_timeout {
                        return self.deny(file, &holder);
                    }
                    if !wait_reported {
                        wait_reported = true;
                        self.reporter.notice(&format!(
                            "The agent waits for {file}, which is locked by {holder}"
                        ));
                    }
                    delay = delay.min(self.wait_timeout.saturating_sub(start.elapsed()));
                }
                Err(NotGranted::Unavailable(error)) => {
                    let outage = outage_start.get_or_insert_with(Instant::now).elapsed();
                    if outage >= OUTAGE_TIMEOUT {
                        self.report_outage(&error);
                        return LockDecision::Allowed;
                    }
                }
                Err(NotGranted::LeaseLost) => {
                    return LockDecision::Denied {
                        reason: "This work item is no longer assigned to you. Stop working.".to_owned(),
                    };
                }
                Err(NotGranted::Rejected(error)) => {
                    tracing::error!(%file, error, "a lock request was rejected as invalid");
                    return LockDecision::Allowed;
                }
            }
            sleep(delay).await;
        }
    }

    fn deny(&self, file: &RelativePath, holder: &str) -> LockDecision {
        let waited = seconds(self.wait_timeout);
        self.reporter.notice(&format!(
            "An edit of {file} was denied: it was still locked by {holder} after {waited}"
        ));
        LockDecision::Denied {
            reason: format!(
                "{file} is locked by {holder}, which is changing it and keeps the lock until it is done. The lock was \
                 requested for {waited}. Do not change {file} in any other way: both changes would conflict. Continue \
                 with work that does not need {file}, such as another task of the checklist, and retry this edit later. \
                 If no work is left that can be done without it, write that to the file `stuck.md` that your instructions name, and stop."
            ),
        }
    }

    /// Locks files that were changed without a lock, such as by shell commands. The orchestrator reports conflicts on
    /// both work items.
    pub async fn lock_after_change(&self, changed: Vec<RelativePath>) {
        let mut missing: Vec<_> = self.read(|state| {
            changed
                .into_iter()
                .filter(|file| !state.held.contains(file))
                .collect()
        });
        if missing.len() > MAX_CHANGED_FILES {
            if !self.write(|state| std::mem::replace(&mut state.limit_reported, true)) {
                self.reporter.notice(&format!(
                    "{} were changed; only the first {MAX_CHANGED_FILES} of them are locked",
                    counted(missing.len() as u64, "file")
                ));
            }
            missing.truncate(MAX_CHANGED_FILES);
        }
        for files in missing.chunks(FILES_PER_REQUEST) {
            let request = LockFiles {
                files: files.to_vec(),
                after: true,
            };
            match self.request(&request).await {
                Ok((held, conflicts)) => {
                    self.add_held(held);
                    self.report_conflicts(&conflicts);
                }
                Err(NotGranted::Unavailable(error)) => return self.report_outage(&error),
                // The sender detects the lost lease and ends the attempt.
                Err(NotGranted::LeaseLost) => return,
                Err(NotGranted::Held(_)) => {}
                Err(NotGranted::Rejected(error)) => {
                    tracing::error!(error, "a lock request was rejected as invalid");
                    return;
                }
            }
        }
    }

    fn report_conflicts(&self, conflicts: &[LockConflict]) {
        let new: Vec<_> = self.write(|state| {
            let new = conflicts.iter();
            new.filter(|conflict| state.conflicting.insert(conflict.file.clone()))
                .collect()
        });
        for conflict in new.iter().take(MAX_NAMED_FILES) {
            let (file, holder) = (&conflict.file, holder(conflict));
            self.reporter.notice(&format!(
                "{file} was changed although it is locked by {holder}: the two branches may conflict"
            ));
        }
        if new.len() > MAX_NAMED_FILES {
            let more = counted((new.len() - MAX_NAMED_FILES) as u64, "more file");
            self.reporter
                .notice(&format!("{more} locked by other work items were changed as well"));
        }
    }

    fn report_outage(&self, error: &str) {
        tracing::warn!(error, "files cannot be locked");
        if !self.write(|state| std::mem::replace(&mut state.outage_reported, true)) {
            self.reporter.notice(
                "Files cannot be locked, because the orchestrator or its Redis is unavailable: the agent edits without locks",
            );
        }
    }

    async fn request(
        &self,
        request: &LockFiles,
    ) -> Result<(Vec<RelativePath>, Vec<LockConflict>), NotGranted> {
        match timeout(REQUEST_TIMEOUT, self.client.lock(request)).await {
            Ok(Ok(granted)) => {
                self.write(|state| state.outage_reported = false);
                Ok((granted.files, granted.conflicts))
            }
            Ok(Err(error)) => Err(NotGranted::from(&error)),
            Err(_elapsed) => Err(NotGranted::Unavailable("the request timed out".to_owned())),
        }
    }

    fn add_held(&self, files: impl IntoIterator<Item = RelativePath>) {
        self.write(|state| state.held.extend(files));
    }

    // A panic under the lock cannot leave the sets inconsistent, so poisoning is ignored.

    fn read<T>(&self, read: impl FnOnce(&LockState) -> T) -> T {
        read(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, write: impl FnOnce(&mut LockState) -> T) -> T {
        write(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a lock was not granted.
#[derive(Debug)]
enum NotGranted {
    Held(Vec<LockConflict>),
    Unavailable(String),
    LeaseLost,
    /// A defect of the worker.
    Rejected(String),
}

impl From<&ClientError> for NotGranted {
    fn from(error: &ClientError) -> Self {
        match error.code() {
            Some(ErrorCode::LockHeld) => Self::Held(error.lock_conflicts()),
            Some(
                ErrorCode::LeaseLost
                | ErrorCode::WrongState
                | ErrorCode::Unauthorized
                | ErrorCode::Forbidden
                | ErrorCode::UnknownProtocol,
            ) => Self::LeaseLost,
            Some(_) if !error.is_temporary() => Self::Rejected(chain(error).to_string()),
            Some(_) | None => Self::Unavailable(chain(error).to_string()),
        }
    }
}

fn holder(conflict: &LockConflict) -> String {
    format!(
        "work item {} on branch {}",
        conflict.work_item_id, conflict.branch
    )
}

fn seconds(duration: Duration) -> String {
    counted((duration + Duration::from_millis(500)).as_secs(), "second")
}
