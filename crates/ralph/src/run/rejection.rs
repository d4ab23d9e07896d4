//! Why the ticks of an iteration do not count, for people and for the next agent.

use ralph_contract::{Warning, WarningKind};

/// Files that are named at most to the next agent.
const MAX_NAMED: usize = 20;

/// Why the ticks of an iteration do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rejection {
    /// Files were left uncommitted.
    Uncommitted { files: Vec<String> },
    /// The checked-out commit does not contain the head of an earlier iteration.
    CommitsMissing {
        /// The head of the earlier iteration.
        head: String,
        /// The branch at the start of the run.
        branch: Option<String>,
    },
}

impl Rejection {
    pub(crate) fn warning(&self, reopened: &[&str]) -> Warning {
        let (kind, files) = match self {
            Self::Uncommitted { files } => (WarningKind::UncommittedChanges, files.clone()),
            Self::CommitsMissing { .. } => (WarningKind::CommitsMissing, Vec::new()),
        };
        let mut message = self.what();
        if !reopened.is_empty() {
            message = format!("{message}; open again: {}", reopened.join("; "));
        }
        Warning {
            kind,
            message,
            files,
            resets_at: None,
        }
    }

    /// In one clause.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Uncommitted { files } => {
                let named = files.iter().take(MAX_NAMED).map(String::as_str);
                let mut text = format!(
                    "a box was ticked, and files are not committed: {}",
                    named.collect::<Vec<_>>().join(", ")
                );
                if files.len() > MAX_NAMED {
                    text.push_str(", …");
                }
                text
            }
            Self::CommitsMissing { head, .. } => {
                format!("the checked-out commit does not contain the earlier commit {head}")
            }
        }
    }

    /// For the next agent.
    pub(crate) fn correction(&self) -> String {
        match self {
            Self::Uncommitted { files } => {
                let list: Vec<_> = files.iter().map(|file| format!("- {file}")).collect();
                format!(
                    "The box of the task was ticked, but these files are not committed:\n\n{}\n\nCommit those that belong \
                     to the task. Delete the others, or have git ignore them. Then tick the box again.",
                    list.join("\n")
                )
            }
            Self::CommitsMissing { head, branch } => {
                let branch = branch.as_ref().map_or_else(
                    || "the branch".to_owned(),
                    |branch| format!("the branch {branch}"),
                );
                format!(
                    "The checked-out commit does not contain {head}, which holds the work of earlier tasks. Get {branch} \
                     back to a commit that contains it (`git reflog` lists where it was), bring over what was committed \
                     elsewhere, and keep every commit up to {head} as it is."
                )
            }
        }
    }
}
