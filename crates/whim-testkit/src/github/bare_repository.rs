//! The bare repositories of the fake, and their queries for pull requests.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error_response::{ErrorResponse, Invalid};
use crate::git::{GitError, Repository, absent_when};

/// The hook that refuses pushes with the message of a file: every push, or those with a commit that changes the path that
/// another file names.
const REFUSING_HOOK: &str = r#"#!/bin/sh
hooks=${0%/*}
if [ -e "$hooks/refused-path" ]; then
    found=
    while read -r _old new _ref; do
        if git log --format= --name-only "$new" --not --all | grep -qxF -f "$hooks/refused-path"; then found=yes; fi
    done
    [ -n "$found" ] || exit 0
fi
cat "$hooks/refusal" >&2
exit 1
"#;

/// Pushes that are refused.
pub(super) struct Refusal<'a> {
    pub(super) message: &'a str,
    /// The path whose changes are refused; `None` for every push.
    pub(super) path: Option<&'a str>,
}

/// Creates a bare repository that accepts pushes over HTTP, with all branches of a working tree.
pub(super) fn create(directory: &Path, source: &Repository) -> Result<(), GitError> {
    let bare = Repository::init_bare(directory)?;
    let settings = [
        ("http.receivepack", "true"),
        // GitHub serves partial clones and single commits.
        ("uploadpack.allowFilter", "true"),
        ("uploadpack.allowAnySHA1InWant", "true"),
        // No background work after the response to a push.
        ("receive.autogc", "false"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
    ];
    for (name, value) in settings {
        bare.run(["config", name, value])?;
    }
    let target = bare.directory().as_os_str();
    let push = ["push", "--quiet", "--all", "--"].map(std::ffi::OsStr::new);
    source.run(push.into_iter().chain([target])).map(drop)
}

/// Makes pushes fail, or none.
pub(super) fn refuse_pushes(directory: &Path, refusal: Option<Refusal<'_>>) -> io::Result<()> {
    let hooks = directory.join("hooks");
    let hook = hooks.join("pre-receive");
    match refusal {
        Some(Refusal { message, path }) => {
            fs::create_dir_all(&hooks)?;
            if let Some(path) = path {
                fs::write(hooks.join("refused-path"), format!("{path}\n"))?;
            }
            fs::write(hooks.join("refusal"), format!("{message}\n"))?;
            fs::write(&hook, REFUSING_HOOK)?;
            fs::set_permissions(&hook, fs::Permissions::from_mode(0o755))
        }
        None => match fs::remove_file(hook) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        },
    }
}

/// Checks that a pull request can be opened for two branches, as GitHub does.
pub(super) fn check_comparable(bare: &Repository, base: &str, head: &str) -> Result<(), ErrorResponse> {
    let invalid = |field| ErrorResponse::invalid(Invalid::field("PullRequest", field));
    let custom = |message| ErrorResponse::invalid(Invalid::custom("PullRequest", message));
    let branches = bare.branches()?;
    let base_hash = branches.get(base).ok_or_else(|| invalid("base"))?;
    let head_hash = branches.get(head).ok_or_else(|| invalid("head"))?;
    if absent_when(1, bare.run(["merge-base", base_hash, head_hash]))?.is_none() {
        return Err(custom(format!(
            "The {head} branch has no history in common with {base}"
        )));
    }
    if bare.log(&format!("{base_hash}..{head_hash}"))?.is_empty() {
        return Err(custom(format!("No commits between {base} and {head}")));
    }
    Ok(())
}

/// The differences of two branches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Comparison {
    pub(super) commits: usize,
    pub(super) additions: u64,
    pub(super) deletions: u64,
    pub(super) changed_files: usize,
    pub(super) mergeable: bool,
}

/// Compares the commits of a pull request.
pub(super) fn compare(bare: &Repository, base_hash: &str, head_hash: &str) -> Result<Comparison, GitError> {
    let changes = bare.run(["diff", "--numstat", &format!("{base_hash}...{head_hash}"), "--"])?;
    let mut comparison = Comparison {
        commits: bare.log(&format!("{base_hash}..{head_hash}"))?.len(),
        changed_files: changes.lines().count(),
        mergeable: merged_tree(bare, base_hash, head_hash)?.is_some(),
        ..Comparison::default()
    };
    for line in changes.lines() {
        // Binary files have `-` in both columns and count as zero, as on GitHub.
        let mut numbers = line.split('\t').map(|column| column.parse::<u64>().unwrap_or(0));
        comparison.additions += numbers.next().unwrap_or(0);
        comparison.deletions += numbers.next().unwrap_or(0);
    }
    Ok(comparison)
}

/// The tree of a merge; `None` if there are conflicts.
fn merged_tree(bare: &Repository, base: &str, head: &str) -> Result<Option<String>, GitError> {
    absent_when(1, bare.run(["merge-tree", "--write-tree", base, head]))
}

/// Merges one commit into a branch with a merge commit and returns its hash; `None` if there are conflicts.
pub(super) fn merge(
    bare: &Repository,
    base_branch: &str,
    base_hash: &str,
    head_hash: &str,
    message: &str,
) -> Result<Option<String>, GitError> {
    let Some(tree) = merged_tree(bare, base_hash, head_hash)? else {
        return Ok(None);
    };
    let commit = bare.run([
        "commit-tree",
        &tree,
        "-p",
        base_hash,
        "-p",
        head_hash,
        "-m",
        message,
    ])?;
    // Compare-and-swap with the old value, so that a concurrent push is not lost.
    bare.run([
        "update-ref",
        &format!("refs/heads/{base_branch}"),
        &commit,
        base_hash,
    ])?;
    Ok(Some(commit))
}

/// A commit with the fields that GitHub shows.
pub(super) struct CommitDetails {
    pub(super) hash: String,
    pub(super) tree: String,
    pub(super) parents: Vec<String>,
    pub(super) author: Signature,
    pub(super) committer: Signature,
    pub(super) message: String,
}

/// The author or committer of a commit, and the time (RFC 3339).
pub(super) struct Signature {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) date: String,
}

pub(super) fn commit_details(bare: &Repository, hash: &str) -> Result<CommitDetails, GitError> {
    let arguments = [
        "show",
        "--no-patch",
        "--format=%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B",
        hash,
        "--",
    ];
    let output = bare.run(arguments)?;
    let mut fields = output.splitn(9, '\0').map(str::to_owned);
    let mut next = || {
        fields.next().ok_or_else(|| GitError::Output {
            arguments: arguments.join(" "),
            output: output.clone(),
        })
    };
    Ok(CommitDetails {
        hash: hash.to_owned(),
        tree: next()?,
        parents: next()?.split_whitespace().map(str::to_owned).collect(),
        author: Signature {
            name: next()?,
            email: next()?,
            date: next()?,
        },
        committer: Signature {
            name: next()?,
            email: next()?,
            date: next()?,
        },
        message: next()?.trim_end().to_owned(),
    })
}

impl From<GitError> for ErrorResponse {
    fn from(error: GitError) -> Self {
        Self::Internal(format!("git failed: {error}"))
    }
}
