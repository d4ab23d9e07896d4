//! The commits of the branch, as the pull request lists them.

use whim_core::CommitHash;

use super::handle::Workspace;
use super::trailers::{REPAIR, SIGN_OFF, TASK};
use crate::git::GitError;

/// Begins a commit in the output of git, and separates its fields.
const COMMIT: char = '\u{1e}';
const FIELD: char = '\u{1f}';

/// A commit that is no merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub hash: CommitHash,
    pub purpose: Purpose,
    pub is_signed_off: bool,
    /// The changed files, relative to the root of the repository.
    pub files: Vec<String>,
}

/// What a commit is for, by its trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The task of this number in the checklist, from 1.
    Task(usize),
    Repair,
    /// Not stated, or made by someone else.
    Other,
}

impl Workspace {
    /// The commits of `head`, which must be imported, that the base does not have, the oldest first.
    ///
    /// # Errors
    /// Git failed, or printed too much.
    pub async fn commits(&self, head: &CommitHash) -> Result<Vec<Commit>, GitError> {
        let not_base = format!("^{}", self.base_head);
        let format = format!(
            "--format={COMMIT}%H{FIELD}%(trailers:key={TASK},valueonly,separator=%x20){FIELD}\
             %(trailers:key={SIGN_OFF},valueonly,separator=%x20){FIELD}"
        );
        let output = self
            .git
            .local(
                &self.layout.mirror,
                &[
                    &"log",
                    &"--reverse",
                    &"--no-merges",
                    &"--name-only",
                    &"--no-renames",
                    &"--no-ext-diff",
                    &"-z",
                    &format,
                    &"--end-of-options",
                    &head.as_str(),
                    &not_base,
                ],
            )
            .await?;
        Ok(output.split(COMMIT).filter_map(parse).collect())
    }
}

fn parse(text: &str) -> Option<Commit> {
    let mut fields = text.splitn(4, FIELD);
    let hash = CommitHash::parse(fields.next()?).ok()?;
    let purpose = match fields.next()?.split_whitespace().next_back() {
        Some(REPAIR) => Purpose::Repair,
        Some(number) => number.parse().map_or(Purpose::Other, Purpose::Task),
        None => Purpose::Other,
    };
    let is_signed_off = !fields.next()?.trim().is_empty();
    let files = fields
        .next()?
        .split('\0')
        .map(|name| name.trim_start_matches('\n'));
    Some(Commit {
        hash,
        purpose,
        is_signed_off,
        files: files.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_purpose_of_a_commit_is_that_of_its_last_trailer() {
        let hash = "1".repeat(40);
        let purpose = |task: &str| {
            let text = format!("{hash}{FIELD}{task}{FIELD}Ana <a@b>{FIELD}\0\na b.txt\0c\0\0");
            let commit = parse(&text).unwrap();
            assert_eq!(commit.files, ["a b.txt", "c"]);
            assert!(commit.is_signed_off);
            commit.purpose
        };
        for (task, expected) in [
            ("2", Purpose::Task(2)),
            ("1 3", Purpose::Task(3)),
            ("repair", Purpose::Repair),
            ("x", Purpose::Other),
            ("", Purpose::Other),
        ] {
            assert_eq!(purpose(task), expected, "{task:?}");
        }
        assert_eq!(parse(""), None);
    }
}
