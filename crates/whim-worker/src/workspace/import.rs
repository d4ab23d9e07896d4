//! Imports the agent's commits without reading the configuration of the workspace.

use std::io;
use std::path::Path;

use whim_core::CommitHash;

use super::files;
use super::handle::Workspace;
use crate::git::GitError;

const MAX_REF_BYTES: usize = 4096;
const MAX_PACKED_REFS_BYTES: usize = 64 * 1024 * 1024;
/// Limit on nested symbolic refs, as in git.
const MAX_SYMREF_DEPTH: usize = 5;

/// Refs to the agent's head in the window and in the mirror.
const WINDOW_REF: &str = "refs/heads/agent";
const MIRROR_REF: &str = "refs/whim/agent";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// No new commits.
    Nothing,
    /// The new head, which is in the mirror now.
    Head(CommitHash),
    /// A head that does not contain all commits that must be kept; `None` on a branch without commits.
    Unrelated(Option<CommitHash>),
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// `HEAD` or a ref is invalid.
    #[error("reading HEAD of the workspace")]
    Head(#[source] io::Error),
    /// The list of files that git ignores cannot be read or written.
    #[error("reading .git/info/exclude of the workspace")]
    Exclude(#[source] io::Error),
    /// The commits are invalid or missing.
    #[error("importing the agent's commits")]
    Git(#[from] GitError),
}

impl Workspace {
    /// Imports the commit that is checked out in the workspace into the mirror.
    ///
    /// # Errors
    /// The workspace's `.git` or its commits are invalid.
    pub async fn import(&self) -> Result<Imported, ImportError> {
        let head = read_head(&self.layout.repository).map_err(ImportError::Head)?;
        let Some(head) = head else {
            return Ok(Imported::Unrelated(None));
        };
        let known = self.remote_head.as_ref().unwrap_or(&self.anchor);
        if head == *known {
            return Ok(Imported::Nothing);
        }
        let (window, mirror) = (&self.layout.window, &self.layout.mirror);
        self.git
            .local(
                window,
                &[&"update-ref", &"--no-deref", &WINDOW_REF, &head.as_str()],
            )
            .await?;
        let refspec = format!("+{WINDOW_REF}:{MIRROR_REF}");
        self.git
            .local(
                mirror,
                &[
                    &"fetch",
                    &"--quiet",
                    &"--no-tags",
                    &"--no-write-fetch-head",
                    &"--",
                    window,
                    &refspec,
                ],
            )
            .await?;
        let descends = self
            .git
            .succeeds(
                mirror,
                &[
                    &"merge-base",
                    &"--is-ancestor",
                    &self.anchor.as_str(),
                    &head.as_str(),
                ],
            )
            .await?;
        Ok(if descends {
            Imported::Head(head)
        } else {
            Imported::Unrelated(Some(head))
        })
    }
}

/// The commit that is checked out; `None` on an unborn branch.
pub(super) fn read_head(repository: &Path) -> io::Result<Option<CommitHash>> {
    let mut name = "HEAD".to_owned();
    for _ in 0..MAX_SYMREF_DEPTH {
        let loose = files::read(repository, &format!(".git/{name}"), MAX_REF_BYTES)?;
        let Some(content) = loose else {
            return read_packed(repository, &name);
        };
        let content = content.trim();
        let Some(target) = content.strip_prefix("ref:") else {
            return CommitHash::parse(content).map(Some).map_err(io::Error::other);
        };
        target.trim().clone_into(&mut name);
        if !is_ref(&name) {
            return Err(io::Error::other("HEAD refers to something outside of refs/"));
        }
    }
    Err(io::Error::other("HEAD has too many levels of symbolic refs"))
}

fn read_packed(repository: &Path, name: &str) -> io::Result<Option<CommitHash>> {
    let packed = files::read(repository, ".git/packed-refs", MAX_PACKED_REFS_BYTES)?.unwrap_or_default();
    let hash = packed.lines().find_map(|line| {
        let (hash, found) = line.split_once(' ')?;
        (found == name).then_some(hash)
    });
    hash.map(|hash| CommitHash::parse(hash).map_err(io::Error::other))
        .transpose()
}

/// Whether the name stays within `refs/`.
fn is_ref(name: &str) -> bool {
    name.strip_prefix("refs/")
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn head_of(entries: &[(&str, &str)]) -> io::Result<Option<String>> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in entries {
            let path = root.path().join(".git").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        read_head(root.path()).map(|head| head.map(String::from))
    }

    #[test]
    fn head_is_resolved_from_loose_and_packed_refs() {
        let line = |hash: &str| format!("{hash}\n");
        assert_eq!(head_of(&[("HEAD", &line(ONE))]).unwrap().as_deref(), Some(ONE));
        let branch = ("HEAD", "ref: refs/heads/a/b\n");
        let packed = format!("# pack-refs with: peeled fully-peeled sorted \n{TWO} refs/heads/a/b\n^{ONE}\n");
        assert_eq!(
            head_of(&[branch, ("packed-refs", &packed)]).unwrap().as_deref(),
            Some(TWO)
        );
        assert_eq!(
            head_of(&[branch, ("packed-refs", &packed), ("refs/heads/a/b", &line(ONE))])
                .unwrap()
                .as_deref(),
            Some(ONE)
        );
        assert_eq!(head_of(&[branch]).unwrap(), None);
    }

    #[test]
    fn refs_outside_of_the_repository_are_refused() {
        for head in [
            "ref: ../../secret",
            "ref: refs/../../secret",
            "ref: /etc/passwd",
            "ref: refs/heads/",
            "garbage",
        ] {
            assert!(head_of(&[("HEAD", head)]).is_err(), "{head} was accepted");
        }
        assert!(
            head_of(&[
                ("HEAD", "ref: refs/heads/a"),
                ("refs/heads/a", "ref: refs/heads/a")
            ])
            .is_err()
        );
    }
}
