//! What is on GitHub, and what that means for the branch.

use std::collections::BTreeMap;

use whim_core::{BranchName, CommitHash};

/// The refs of a repository that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RemoteRefs {
    /// The default branch's ref, such as `refs/heads/main`.
    default: Option<String>,
    /// Hashes by ref.
    heads: BTreeMap<String, CommitHash>,
}

/// Where the attempt begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) base: BranchName,
    /// The branch as an earlier attempt left it; `None` when there is none.
    pub(super) branch_head: Option<CommitHash>,
}

/// Why the repository cannot be worked on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoStart {
    #[error("the repository is empty, or its default branch is: push a first commit to it")]
    Empty,
    #[error("the repository has no default branch: name a base branch, or set one on GitHub")]
    NoDefault,
    #[error("the default branch {name:?} has a name that Whim cannot work with")]
    DefaultName { name: String },
    #[error("the base branch {base} does not exist")]
    NoBase { base: BranchName },
    #[error("the branch {branch} is the one that the pull request would go into: name another branch")]
    SameBranch { branch: BranchName },
}

impl RemoteRefs {
    /// Reads what `git ls-remote --symref` prints.
    pub(super) fn parse(output: &str) -> Self {
        let mut refs = Self::default();
        for line in output.lines() {
            let Some((value, name)) = line.split_once('\t') else {
                continue;
            };
            if let Some(target) = value.strip_prefix("ref: ") {
                if name == "HEAD" {
                    refs.default = Some(target.to_owned());
                }
            } else if let Ok(hash) = CommitHash::parse(value) {
                refs.heads.insert(name.to_owned(), hash);
            }
        }
        // The default branch is asked for as HEAD, because its own name is not known before.
        if let (Some(default), Some(head)) = (&refs.default, refs.heads.remove("HEAD")) {
            refs.heads.insert(default.clone(), head);
        }
        refs
    }

    pub(super) fn head_of(&self, branch: &BranchName) -> Option<&CommitHash> {
        self.heads.get(&reference(branch))
    }

    /// Decides where to begin with `branch`, for a pull request into `base`, or into the default branch.
    pub(super) fn start(&self, branch: &BranchName, base: Option<&BranchName>) -> Result<Start, NoStart> {
        if self.heads.is_empty() {
            return Err(NoStart::Empty);
        }
        let base = match base {
            Some(base) => base.clone(),
            None => self.default_branch()?,
        };
        if *branch == base || self.default.as_ref() == Some(&reference(branch)) {
            return Err(NoStart::SameBranch {
                branch: branch.clone(),
            });
        }
        if self.head_of(&base).is_none() {
            return Err(NoStart::NoBase { base });
        }
        Ok(Start {
            base,
            branch_head: self.head_of(branch).cloned(),
        })
    }

    fn default_branch(&self) -> Result<BranchName, NoStart> {
        let reference = self.default.as_ref().ok_or(NoStart::NoDefault)?;
        let name = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        BranchName::parse(name).map_err(|_invalid| NoStart::DefaultName {
            name: name.to_owned(),
        })
    }
}

/// The full name of a branch's ref.
pub(super) fn reference(branch: &BranchName) -> String {
    format!("refs/heads/{branch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str) -> BranchName {
        BranchName::parse(name).unwrap()
    }

    fn hash(digit: &str) -> CommitHash {
        CommitHash::parse(&digit.repeat(40)).unwrap()
    }

    fn refs(lines: &[(&str, &str)]) -> RemoteRefs {
        let lines: Vec<String> = lines
            .iter()
            .map(|(value, name)| {
                let value = if value.len() == 1 {
                    value.repeat(40)
                } else {
                    (*value).to_owned()
                };
                format!("{value}\t{name}\n")
            })
            .collect();
        RemoteRefs::parse(&lines.concat())
    }

    #[test]
    fn a_new_branch_begins_at_the_default_branch() {
        let refs = refs(&[("ref: refs/heads/main", "HEAD"), ("1", "HEAD")]);
        let start = refs.start(&branch("whim/1"), None);
        assert_eq!(
            start,
            Ok(Start {
                base: branch("main"),
                branch_head: None
            })
        );
    }

    #[test]
    fn a_branch_that_is_there_is_resumed() {
        let refs = refs(&[
            ("ref: refs/heads/main", "HEAD"),
            ("1", "HEAD"),
            ("2", "refs/heads/whim/1"),
            ("3", "refs/remotes/x/refs/heads/whim/1"),
        ]);
        let start = refs.start(&branch("whim/1"), None);
        assert_eq!(
            start,
            Ok(Start {
                base: branch("main"),
                branch_head: Some(hash("2"))
            })
        );
    }

    #[test]
    fn repositories_without_a_start_are_refused_with_a_reason() {
        let main = [
            ("ref: refs/heads/main", "HEAD"),
            ("1", "HEAD"),
            ("2", "refs/heads/next"),
        ];
        for (refs, name, base, problem) in [
            (refs(&[]), "x", None, NoStart::Empty),
            (refs(&[("1", "refs/heads/main")]), "x", None, NoStart::NoDefault),
            (
                refs(&main),
                "x",
                Some("gone"),
                NoStart::NoBase { base: branch("gone") },
            ),
            (
                refs(&main),
                "main",
                None,
                NoStart::SameBranch {
                    branch: branch("main"),
                },
            ),
            (
                refs(&main),
                "main",
                Some("next"),
                NoStart::SameBranch {
                    branch: branch("main"),
                },
            ),
            (
                refs(&main),
                "next",
                Some("next"),
                NoStart::SameBranch {
                    branch: branch("next"),
                },
            ),
            (
                refs(&[("ref: refs/heads/größe", "HEAD"), ("1", "HEAD")]),
                "x",
                None,
                NoStart::DefaultName {
                    name: "größe".to_owned(),
                },
            ),
        ] {
            let base = base.map(branch);
            assert_eq!(refs.start(&branch(name), base.as_ref()), Err(problem));
        }
    }
}
