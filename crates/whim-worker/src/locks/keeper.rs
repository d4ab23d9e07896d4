//! What this worker has locked, and how it asks for more.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use whim_client::{ClientError, WorkerClient};
use whim_core::RelativePath;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::worker::{LockConflict, LockFiles};
use whim_service::chain::chain;

use super::Answer;
use crate::report::Reporter;
use crate::text::counted;

/// Between two questions for a file that another item holds: first, and at the most.
const FIRST_DELAY: Duration = Duration::from_millis(200);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// How long an edit waits for an orchestrator that is away: as long as one takes to start again.
const AWAY_PATIENCE: Duration = Duration::from_secs(5);
/// How long one question may go without an answer.
const QUESTION: Duration = Duration::from_secs(5);
/// How long an answer may take at the most, beyond the wait for a file that another item holds.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(15);

/// Files of one question afterwards, so that it stays small whatever their names.
const AT_ONCE: usize = 500;
/// So many files are locked afterwards. Whoever changes more, as by formatting all of a repository, is in everybody's way
/// whatever is locked.
const MOST_AFTERWARDS: usize = 5000;
/// So many files are named in a notice.
const NAMED: usize = 5;

/// Asks the orchestrator for locks, and remembers those that were granted. They last until the worker ends. Clones share
/// what they know.
#[derive(Clone, Debug)]
pub struct Keeper {
    client: WorkerClient,
    reporter: Reporter,
    wait: Duration,
    known: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    held: BTreeSet<RelativePath>,
    /// Files of others that were changed all the same: told of once.
    shared: BTreeSet<RelativePath>,
    /// Whether it was told that locks cannot be asked for.
    away: bool,
    /// Whether it was told that there are too many files.
    too_many: bool,
}

impl Keeper {
    /// For a worker that is registered; an edit waits at most `wait` for a file that another item holds.
    pub fn new(client: WorkerClient, reporter: Reporter, wait: Duration) -> Self {
        Self {
            client,
            reporter,
            wait,
            known: Arc::default(),
        }
    }

    /// How long an edit waits for a file that another item holds.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Locks a file that is about to be edited.
    pub(super) async fn ask(&self, file: &RelativePath) -> Answer {
        if self.read(|known| known.held.contains(file)) {
            return Answer::GoAhead;
        }
        let request = LockFiles {
            files: vec![file.clone()],
            after: false,
        };
        let begun = Instant::now();
        let (mut away_since, mut is_told, mut delay) = (None, false, FIRST_DELAY);
        loop {
            match self.lock(&request).await {
                Ok(_) => {
                    self.hold([file.clone()]);
                    if is_told {
                        let waited = seconds(begun.elapsed());
                        self.reporter
                            .notice(&format!("{file} is free again, after {waited}"));
                    }
                    return Answer::GoAhead;
                }
                Err(Refusal::Held(holders)) => {
                    away_since = None;
                    let holder = holders
                        .first()
                        .map_or_else(|| "another work item".to_owned(), named);
                    if begun.elapsed() >= self.wait {
                        return self.refuse(file, &holder);
                    }
                    if !is_told {
                        is_told = true;
                        self.reporter
                            .notice(&format!("The agent waits for {file}, which {holder} has locked"));
                    }
                    delay = delay.min(self.wait.saturating_sub(begun.elapsed()));
                }
                Err(Refusal::Away(why)) => {
                    if away_since.get_or_insert_with(Instant::now).elapsed() >= AWAY_PATIENCE {
                        self.tell_away(&why);
                        return Answer::GoAhead;
                    }
                }
                Err(Refusal::LeaseLost) => {
                    return Answer::Refused {
                        reason: "This work item was taken away from you: stop working.".to_owned(),
                    };
                }
                Err(Refusal::Defect(why)) => {
                    tracing::error!(%file, why, "a lock was refused for no reason of its file");
                    return Answer::GoAhead;
                }
            }
            sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
        }
    }

    fn refuse(&self, file: &RelativePath, holder: &str) -> Answer {
        let waited = seconds(self.wait);
        self.reporter.notice(&format!(
            "The agent may not edit {file}: {holder} still had it locked after {waited}"
        ));
        Answer::Refused {
            reason: format!(
                "{file} is locked by {holder}, which is changing it right now and keeps it until it is done. I waited \
                 {waited} for it. Do not change {file} in any other way either: your work and theirs would conflict. Go \
                 on with what does not need {file}, another task of the checklist first if need be, and try this edit \
                 again later. If nothing is left to do without it, say so in {} and stop.",
                ralph_contract::files::STUCK
            ),
        }
    }

    /// Locks what was changed without being asked for, as by shell commands. What others hold is changed all the same:
    /// it is shown on both items.
    pub async fn afterwards(&self, changed: Vec<RelativePath>) {
        let mut missing: Vec<_> = self.read(|known| {
            changed
                .into_iter()
                .filter(|file| !known.held.contains(file))
                .collect()
        });
        if missing.len() > MOST_AFTERWARDS {
            if !self.write(|known| std::mem::replace(&mut known.too_many, true)) {
                self.reporter.notice(&format!(
                    "{} were changed; only the first {MOST_AFTERWARDS} of them are locked",
                    counted(missing.len() as u64, "file")
                ));
            }
            missing.truncate(MOST_AFTERWARDS);
        }
        for files in missing.chunks(AT_ONCE) {
            let request = LockFiles {
                files: files.to_vec(),
                after: true,
            };
            match self.lock(&request).await {
                Ok((held, conflicts)) => {
                    self.hold(held);
                    self.tell_shared(&conflicts);
                }
                Err(Refusal::Away(why)) => return self.tell_away(&why),
                // The sender is about to notice, and ends all of this.
                Err(Refusal::LeaseLost) => return,
                Err(Refusal::Held(_)) => {}
                Err(Refusal::Defect(why)) => {
                    tracing::error!(why, "locks were refused for no reason of their files");
                    return;
                }
            }
        }
    }

    fn tell_shared(&self, conflicts: &[LockConflict]) {
        let new: Vec<_> = self.write(|known| {
            let new = conflicts.iter();
            new.filter(|conflict| known.shared.insert(conflict.file.clone()))
                .collect()
        });
        for conflict in new.iter().take(NAMED) {
            let (file, holder) = (&conflict.file, named(conflict));
            self.reporter.notice(&format!(
                "{file} was changed although {holder} has it locked: the two branches may not merge"
            ));
        }
        if new.len() > NAMED {
            let more = counted((new.len() - NAMED) as u64, "more file");
            self.reporter
                .notice(&format!("{more} that others have locked were changed as well"));
        }
    }

    fn tell_away(&self, why: &str) {
        tracing::warn!(why, "files cannot be locked");
        if !self.write(|known| std::mem::replace(&mut known.away, true)) {
            self.reporter.notice(
                "Files cannot be locked, because the orchestrator or its Redis is away: the agent edits without locks",
            );
        }
    }

    async fn lock(&self, request: &LockFiles) -> Result<(Vec<RelativePath>, Vec<LockConflict>), Refusal> {
        match timeout(QUESTION, self.client.lock(request)).await {
            Ok(Ok(granted)) => {
                self.write(|known| known.away = false);
                Ok((granted.files, granted.conflicts))
            }
            Ok(Err(error)) => Err(Refusal::of(&error)),
            Err(_elapsed) => Err(Refusal::Away("no answer in time".to_owned())),
        }
    }

    fn hold(&self, files: impl IntoIterator<Item = RelativePath>) {
        self.write(|known| known.held.extend(files));
    }

    // Nothing that runs under the lock can leave the sets half changed.

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a lock was not granted.
#[derive(Debug)]
enum Refusal {
    Held(Vec<LockConflict>),
    /// Nobody can say.
    Away(String),
    LeaseLost,
    /// The question was wrong.
    Defect(String),
}

impl Refusal {
    fn of(error: &ClientError) -> Self {
        match error.code() {
            Some(ErrorCode::LockHeld) => Self::Held(error.lock_conflicts()),
            Some(
                ErrorCode::LeaseLost
                | ErrorCode::WrongState
                | ErrorCode::Unauthorized
                | ErrorCode::Forbidden
                | ErrorCode::UnknownProtocol,
            ) => Self::LeaseLost,
            Some(_) if !error.is_temporary() => Self::Defect(chain(error).to_string()),
            Some(_) | None => Self::Away(chain(error).to_string()),
        }
    }
}

fn named(conflict: &LockConflict) -> String {
    format!(
        "work item {} on branch {}",
        conflict.work_item_id, conflict.branch
    )
}

fn seconds(duration: Duration) -> String {
    counted((duration + Duration::from_millis(500)).as_secs(), "second")
}
