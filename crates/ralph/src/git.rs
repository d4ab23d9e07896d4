//! Queries of git. The repository is untrusted: an agent writes its configuration, hooks and objects.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ralph_contract::files::is_cache;

use crate::environment::Environment;
use crate::harness::CommandSpec;
use crate::process::{Answer, AnswerError, answer};

/// Timeout of each query; none takes as long in a repository of realistic size.
const LIMIT: Duration = Duration::from_secs(60);
/// New commits that are reported from one query, the newest first; more than this are merged from elsewhere.
const MAX_COMMITS: usize = 1000;
/// Longest subject that is reported, in characters.
const LONGEST_SUBJECT: usize = 500;

#[derive(Debug)]
pub(crate) struct Git {
    directory: PathBuf,
    environment: Environment,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("git did not run")]
    Call(#[from] AnswerError),
    #[error("git {command} failed: {stderr}")]
    Refused { command: &'static str, stderr: String },
    #[error("git {command} printed something unexpected")]
    Unexpected { command: &'static str },
}

/// A commit: its full hash and the first line of its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewCommit {
    pub(crate) hash: String,
    pub(crate) subject: String,
}

impl Git {
    pub(crate) fn new(directory: &Path, environment: &Environment) -> Self {
        Self {
            directory: directory.to_owned(),
            environment: environment.for_git(),
        }
    }

    pub(crate) async fn is_work_tree(&self) -> Result<bool, GitError> {
        let answer = self.call(&["rev-parse", "--is-inside-work-tree"], "").await?;
        Ok(answer.is_success && answer.stdout.trim_ascii() == b"true")
    }

    /// The commit that is checked out; `None` before the first one.
    pub(crate) async fn head(&self) -> Result<Option<String>, GitError> {
        let answer = self
            .call(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], "")
            .await?;
        if !answer.is_success {
            // `--quiet` suppresses the message about an unborn branch only, which is no error.
            return if answer.stderr.is_empty() {
                Ok(None)
            } else {
                Err(refused("rev-parse", answer))
            };
        }
        let hash = String::from_utf8_lossy(answer.stdout.trim_ascii()).into_owned();
        is_hash(&hash)
            .then_some(Some(hash))
            .ok_or(GitError::Unexpected { command: "rev-parse" })
    }

    /// Every commit that a branch, a tag or a remote branch points to.
    pub(crate) async fn tips(&self) -> Result<Vec<String>, GitError> {
        let answer = self.call(&["for-each-ref", "--format=%(objectname)"], "").await?;
        if !answer.is_success {
            return Err(refused("for-each-ref", answer));
        }
        let lines = String::from_utf8_lossy(&answer.stdout);
        Ok(lines
            .lines()
            .filter(|line| is_hash(line))
            .map(str::to_owned)
            .collect())
    }

    /// The ancestors of `head`, itself included, that are not those of `old`; the oldest first.
    pub(crate) async fn commits_since(&self, old: &[String], head: &str) -> Result<Vec<NewCommit>, GitError> {
        let limit = format!("--max-count={MAX_COMMITS}");
        let arguments = [
            "rev-list",
            "--reverse",
            "--topo-order",
            "--encoding=UTF-8",
            "--format=tformat:%H %s",
            &limit,
            // Through standard input, because there may be more hashes than arguments can hold.
            "--ignore-missing",
            "--stdin",
        ];
        let mut input = format!("{head}\n");
        for hash in old {
            input.push('^');
            input.push_str(hash);
            input.push('\n');
        }
        let answer = self.call(&arguments, &input).await?;
        if !answer.is_success {
            return Err(refused("rev-list", answer));
        }
        let output = String::from_utf8_lossy(&answer.stdout);
        let commits = output.lines().filter_map(|line| {
            // `rev-list` adds a line `commit <hash>` before each formatted one.
            let (hash, subject) = line.split_once(' ')?;
            is_hash(hash).then(|| NewCommit {
                hash: hash.to_owned(),
                subject: subject.chars().take(LONGEST_SUBJECT).collect(),
            })
        });
        Ok(commits.collect())
    }

    /// The branch that is checked out; `None` for a detached `HEAD`.
    pub(crate) async fn branch(&self) -> Result<Option<String>, GitError> {
        let answer = self
            .call(&["symbolic-ref", "--quiet", "--short", "HEAD"], "")
            .await?;
        let name = String::from_utf8_lossy(answer.stdout.trim_ascii()).into_owned();
        Ok(Some(name).filter(|name| answer.is_success && !name.is_empty()))
    }

    /// Whether `head` contains `commit`. A commit that does not exist any more is contained in none.
    pub(crate) async fn contains(&self, head: &str, commit: &str) -> Result<bool, GitError> {
        let answer = self
            .call(&["merge-base", "--is-ancestor", commit, head], "")
            .await?;
        Ok(answer.is_success)
    }

    /// At most `limit` files with uncommitted changes, without those at or below the paths `except` and without untracked
    /// caches of common tools.
    pub(crate) async fn uncommitted(&self, except: &[String], limit: usize) -> Result<Vec<String>, GitError> {
        let excluded: Vec<String> = except
            .iter()
            .map(|path| format!(":(exclude,literal){path}"))
            .collect();
        let mut arguments = vec![
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--ignore-submodules=all",
            "--",
            ".",
        ];
        arguments.extend(excluded.iter().map(String::as_str));
        let answer = self.call(&arguments, "").await?;
        if !answer.is_success {
            return Err(refused("status", answer));
        }
        let output = String::from_utf8_lossy(&answer.stdout);
        let entries = output.split('\0').filter_map(left_behind);
        Ok(entries.take(limit).map(str::to_owned).collect())
    }

    async fn call(&self, arguments: &[&str], input: &str) -> Result<Answer, GitError> {
        // Programs that the repository's configuration names are switched off, as far as these queries would start them.
        // Filters remain: they run as the agent's own commands do, with an environment without credentials.
        let safely = [
            "--no-pager",
            "--no-optional-locks",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.pager=cat",
            "-c",
            "protocol.allow=never",
            "-c",
            "log.showSignature=false",
        ];
        let command = CommandSpec {
            program: "git".into(),
            arguments: safely.iter().chain(arguments).map(Into::into).collect(),
            default_environment: vec![
                ("GIT_TERMINAL_PROMPT", "0"),
                ("GIT_NO_LAZY_FETCH", "1"),
                ("GIT_NO_REPLACE_OBJECTS", "1"),
                ("LC_ALL", "C.UTF-8"),
            ],
        };
        Ok(answer(&command, &self.environment, &self.directory, input, LIMIT).await?)
    }
}

/// The path of an entry of `git status --porcelain=v1`, unless it is an untracked cache.
fn left_behind(entry: &str) -> Option<&str> {
    let (status, path) = entry.split_at_checked(3)?;
    (status != "?? " || !is_cache(path)).then_some(path)
}

fn refused(command: &'static str, answer: Answer) -> GitError {
    GitError::Refused {
        command,
        stderr: answer.stderr,
    }
}

/// Whether a text is an object name of SHA-1 or SHA-256, in full.
fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
