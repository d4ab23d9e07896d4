//! Classifies the output of git commands that access GitHub. Git uses one exit code for all failures, so its messages (with
//! `LC_ALL=C`) are matched, from the most reliable sign to the least: an HTTP status, a refused ref, a sentence of the
//! server, a sentence of git. What says nothing of the server is the network's trouble.

use std::sync::LazyLock;

use regex::Regex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteErrorKind {
    /// GitHub or the network to it is unavailable, or GitHub limits the rate of requests.
    Unavailable,
    /// The command took longer than it may: the repository is too large for the connection.
    TimedOut,
    /// The token is invalid: revoked or expired.
    InvalidToken,
    /// The token lacks a permission.
    Denied,
    /// The repository does not exist, or is not visible to the token.
    NotFound,
    /// GitHub cannot read objects of the repository.
    Damaged,
    /// GitHub refuses the push for what the commits contain.
    ContentRefused,
    /// A rule of the repository refuses every push of this kind to the branch.
    RuleRefused,
    /// This machine failed: a full disk, or a program that was killed.
    Machine,
    /// GitHub refuses for another reason, or the repository is harmful.
    Other,
}

/// Of GitHub: `returned error: 503`, `RPC failed; HTTP 502`.
static STATUS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:returned error: |RPC failed; HTTP )(\d{3})\b").ok());
/// Of a proxy on the way.
static PROXY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"CONNECT tunnel failed|Received HTTP code \d{3} from proxy").ok());
/// A ref that the server refused, as `push --porcelain` prints it, with the reason.
static REFUSED_REF: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^\s*!\s.*\[remote rejected\] \((.*)\)\s*$").ok());
/// The first check of the content of objects that failed.
static HARMFUL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)^fatal: fsck error in packed object").ok());

const RATE_LIMITS: [&str; 3] = ["rate limit", "too many requests", "abuse detection"];

/// Git prompts after a 401, which means that it already sent the token.
const INVALID_TOKEN: [&str; 4] = [
    "Authentication failed",
    "could not read Password",
    "could not read Username",
    "Invalid username or token",
];

/// Of the machine that git runs on.
const MACHINE: [&str; 7] = [
    "No space left on device",
    "Disk quota exceeded",
    "Out of memory",
    "Cannot allocate memory",
    "Read-only file system",
    "Too many open files",
    "insufficient permission for adding an object",
];

/// The server cannot read its own objects, or its objects are incomplete.
const DAMAGED: [&str; 8] = [
    "possible repository corruption on the remote side",
    "not our ref",
    "pack has bad object",
    "bad object",
    "missing blob",
    "missing tree",
    "did not send all necessary objects",
    "remote: fatal: unable to read",
];

/// Reasons of a refused ref, and sentences before it, which pass by themselves.
const TEMPORARY_REFUSALS: [&str; 8] = [
    "internal server error",
    "fatal error in commit_refs",
    "failed to update ref",
    "failed to lock",
    "unable to migrate objects to permanent storage",
    "unpacker error",
    "timed out",
    "try again",
];

/// Branch names that exclude each other: `whim` and `whim/7`.
const NAME_TAKEN: [&str; 3] = [
    "exists; cannot create",
    "cannot create '",
    "directory file conflict",
];

/// Rules that no commit can meet that an agent makes.
const RULES: [&str; 12] = [
    "GH002",
    "GH003",
    "GH005",
    "GH006",
    "GH007",
    "creations being restricted",
    "Cannot update this protected ref",
    "Cannot force-push to this branch",
    "must be made through a pull request",
    "must have verified signatures",
    "protected branch hook declined",
    "deny updating a hidden ref",
];

/// Words of libcurl and git for a connection that broke.
const CONNECTION: [&str; 8] = [
    "hung up unexpectedly",
    "unexpected disconnect",
    "early EOF",
    "curl ",
    "unable to access",
    "Connection ",
    "protocol error",
    "the remote end",
];

pub(super) fn classify(message: &str) -> RemoteErrorKind {
    if let Some(kind) = by_status(message) {
        return kind;
    }
    let says = |any: &[&str]| any.iter().any(|words| message.contains(words));
    if let Some(kind) = by_refused_ref(message) {
        return kind;
    }
    if says(&INVALID_TOKEN) {
        return RemoteErrorKind::InvalidToken;
    }
    if message.contains("remote: Repository not found") || is_repository_missing(message) {
        return RemoteErrorKind::NotFound;
    }
    if says(&MACHINE) {
        return RemoteErrorKind::Machine;
    }
    if matches(&HARMFUL, message) {
        return RemoteErrorKind::Other;
    }
    if says(&DAMAGED) {
        return RemoteErrorKind::Damaged;
    }
    let is_answered = message
        .lines()
        .any(|line| line.trim_start().starts_with("remote: "));
    if is_answered && !says(&CONNECTION) {
        return RemoteErrorKind::Other;
    }
    RemoteErrorKind::Unavailable
}

fn by_status(message: &str) -> Option<RemoteErrorKind> {
    if matches(&PROXY, message) {
        return Some(RemoteErrorKind::Unavailable);
    }
    let found = STATUS.as_ref()?.captures(message)?;
    Some(match found[1].parse::<u16>().ok()? {
        401 => RemoteErrorKind::InvalidToken,
        403 if has_words(message, &RATE_LIMITS) => RemoteErrorKind::Unavailable,
        403 => RemoteErrorKind::Denied,
        404 => RemoteErrorKind::NotFound,
        408 | 429 | 500..=599 => RemoteErrorKind::Unavailable,
        _ => RemoteErrorKind::Other,
    })
}

fn by_refused_ref(message: &str) -> Option<RemoteErrorKind> {
    let found = REFUSED_REF.as_ref()?.captures(message)?;
    let reason = &found[1];
    let says = |any: &[&str]| any.iter().any(|words| message.contains(words));
    Some(if says(&NAME_TAKEN) || says(&RULES) {
        RemoteErrorKind::RuleRefused
    } else if has_words(reason, &TEMPORARY_REFUSALS) {
        RemoteErrorKind::Unavailable
    } else {
        RemoteErrorKind::ContentRefused
    })
}

/// `fatal: repository 'https://…' not found`.
fn is_repository_missing(message: &str) -> bool {
    message
        .lines()
        .any(|line| line.starts_with("fatal: repository '") && line.ends_with("' not found"))
}

fn has_words(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}

fn matches(pattern: &LazyLock<Option<Regex>>, message: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(message))
}

#[cfg(test)]
mod tests;
