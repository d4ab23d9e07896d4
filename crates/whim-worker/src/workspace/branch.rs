//! The refs on GitHub, and where an attempt starts.

use std::collections::BTreeMap;

use whim_core::{BranchName, CommitHash};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RemoteRefs {
    /// The ref of the default branch, such as `refs/heads/main`.
    default: Option<String>,
    heads: BTreeMap<String, CommitHash>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StartPoint {
    pub(super) base: BranchName,
    /// The default branch, if it is another one.
    pub(super) other_default: Option<BranchName>,
    /// The branch as left by an earlier attempt; `None` if it does not exist.
    pub(super) branch_head: Option<CommitHash>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidStart {
    #[error("the repository or its default branch is empty: push a first commit to it")]
    Empty,
    #[error(
        "the repository has no default branch: set one on GitHub, or submit the work item with a base branch"
    )]
    NoDefault,
    #[error("the name of the default branch, {name:?}, is not supported")]
    DefaultName { name: String },
    #[error("the base branch {base} does not exist")]
    NoBase { base: BranchName },
    #[error(
        "the branch {taken} exists, so git cannot create {branch}: rename or delete {taken}, or set BRANCH_PREFIX to another \
         prefix and submit the work item again"
    )]
    NameTaken { branch: BranchName, taken: String },
    #[error("the branch {branch} is the base or default branch: submit the work item with another branch")]
    SameBranch { branch: BranchName },
}

impl RemoteRefs {
    /// Parses the output of `git ls-remote --symref`.
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
        // The default branch was requested as HEAD, because its name was not known.
        if let (Some(default), Some(head)) = (&refs.default, refs.heads.remove("HEAD")) {
            refs.heads.insert(default.clone(), head);
        }
        refs
    }

    pub(super) fn head_of(&self, branch: &BranchName) -> Option<&CommitHash> {
        self.heads.get(&reference(branch))
    }

    /// Decides where to start `branch`, for a pull request into `base` or else into the default branch.
    pub(super) fn start(
        &self,
        branch: &BranchName,
        base: Option<&BranchName>,
    ) -> Result<StartPoint, InvalidStart> {
        if self.heads.is_empty() {
            return Err(InvalidStart::Empty);
        }
        let base = match base {
            Some(base) => base.clone(),
            None => self.default_branch()?,
        };
        if *branch == base || self.default.as_ref() == Some(&reference(branch)) {
            return Err(InvalidStart::SameBranch {
                branch: branch.clone(),
            });
        }
        if self.head_of(&base).is_none() {
            return Err(InvalidStart::NoBase { base });
        }
        if let Some(taken) = self.excludes(branch) {
            return Err(InvalidStart::NameTaken {
                branch: branch.clone(),
                taken: taken.to_owned(),
            });
        }
        Ok(StartPoint {
            other_default: self.default_branch().ok().filter(|default| *default != base),
            base,
            branch_head: self.head_of(branch).cloned(),
        })
    }

    /// A branch whose name would be a directory of this one, or the reverse: git stores refs like files.
    fn excludes(&self, branch: &BranchName) -> Option<&str> {
        let branch = branch.as_str();
        let is_above = |above: &str, below: &str| {
            below
                .strip_prefix(above)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        let names = self
            .heads
            .keys()
            .filter_map(|head| head.strip_prefix("refs/heads/"));
        names
            .into_iter()
            .find(|name| is_above(name, branch) || is_above(branch, name))
    }

    fn default_branch(&self) -> Result<BranchName, InvalidStart> {
        let reference = self.default.as_ref().ok_or(InvalidStart::NoDefault)?;
        let name = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        BranchName::parse(name).map_err(|_invalid| InvalidStart::DefaultName {
            name: name.to_owned(),
        })
    }
}

/// Patterns of the branches that would exclude `branch`.
pub(super) fn excluding(branch: &BranchName) -> Vec<String> {
    let name = branch.as_str();
    let above = name
        .match_indices('/')
        .map(|(end, _)| format!("refs/heads/{}", &name[..end]));
    above.chain([format!("refs/heads/{name}/*")]).collect()
}

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
    fn a_new_branch_starts_at_the_default_branch() {
        let refs = refs(&[("ref: refs/heads/main", "HEAD"), ("1", "HEAD")]);
        let start = refs.start(&branch("whim/1"), None);
        assert_eq!(
            start,
            Ok(StartPoint {
                base: branch("main"),
                other_default: None,
                branch_head: None
            })
        );
    }

    #[test]
    fn an_existing_branch_is_resumed() {
        let refs = refs(&[
            ("ref: refs/heads/main", "HEAD"),
            ("1", "HEAD"),
            ("2", "refs/heads/whim/1"),
            ("3", "refs/remotes/x/refs/heads/whim/1"),
        ]);
        let start = refs.start(&branch("whim/1"), None);
        assert_eq!(
            start,
            Ok(StartPoint {
                base: branch("main"),
                other_default: None,
                branch_head: Some(hash("2"))
            })
        );
    }

    #[test]
    fn a_branch_whose_name_is_taken_by_another_is_refused() {
        let main = [("ref: refs/heads/main", "HEAD"), ("1", "HEAD")];
        for (name, head, taken) in [
            ("whim/7", "refs/heads/whim", Some("whim")),
            ("a/b/c", "refs/heads/a/b", Some("a/b")),
            ("whim/7", "refs/heads/whim/7/x", Some("whim/7/x")),
            ("whim/7", "refs/heads/whim/70", None),
            ("whim/7", "refs/heads/whi", None),
            ("whim/7", "refs/heads/whim/7", None),
        ] {
            let refs = refs(&[main.as_slice(), &[("2", head)]].concat());
            let expected = taken.map(|taken| InvalidStart::NameTaken {
                branch: branch(name),
                taken: taken.to_owned(),
            });
            assert_eq!(refs.start(&branch(name), None).err(), expected, "{head}");
        }
        assert_eq!(
            excluding(&branch("a/b/c")),
            ["refs/heads/a", "refs/heads/a/b", "refs/heads/a/b/c/*"]
        );
    }

    #[test]
    fn repositories_without_a_starting_point_are_refused_with_a_reason() {
        let main = [
            ("ref: refs/heads/main", "HEAD"),
            ("1", "HEAD"),
            ("2", "refs/heads/next"),
        ];
        for (refs, name, base, problem) in [
            (refs(&[]), "x", None, InvalidStart::Empty),
            (
                refs(&[("1", "refs/heads/main")]),
                "x",
                None,
                InvalidStart::NoDefault,
            ),
            (
                refs(&main),
                "x",
                Some("gone"),
                InvalidStart::NoBase { base: branch("gone") },
            ),
            (
                refs(&main),
                "main",
                None,
                InvalidStart::SameBranch {
                    branch: branch("main"),
                },
            ),
            (
                refs(&main),
                "main",
                Some("next"),
                InvalidStart::SameBranch {
                    branch: branch("main"),
                },
            ),
            (
                refs(&main),
                "next",
                Some("next"),
                InvalidStart::SameBranch {
                    branch: branch("next"),
                },
            ),
            (
                refs(&[("ref: refs/heads/größe", "HEAD"), ("1", "HEAD")]),
                "x",
                None,
                InvalidStart::DefaultName {
                    name: "größe".to_owned(),
                },
            ),
        ] {
            let base = base.map(branch);
            assert_eq!(refs.start(&branch(name), base.as_ref()), Err(problem));
        }
    }
}
