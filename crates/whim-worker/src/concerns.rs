//! What people should check before they merge a change: it makes a pull request a draft, or is named in it.

mod check_settings;
mod integrity;
mod languages;

use whim_core::protocol::diff::ReportDiff;

pub use self::integrity::{Kind, Weakening, weakenings};
pub use self::languages::is_test_path;
use crate::policy::{Integrity, MaxDiff, Policy};
use crate::workspace::Commit;

/// Paths that are named at most, and weakenings.
pub const MAX_NAMED: usize = 20;

/// The concerns about one change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concerns {
    /// Changed files that the policy protects.
    pub protected: Vec<String>,
    /// How the change exceeds the limits of the policy.
    pub too_large: Option<String>,
    /// Tests that were removed or weakened.
    pub weakenings: Vec<Weakening>,
    /// The change, or a part of it, is too large to be searched for weakened tests.
    pub is_unexamined: bool,
    /// Test files of the change that pass without the rest of it.
    pub untested: Vec<String>,
    /// Commits without the sign-off that the policy wants.
    pub unsigned: u64,
    /// The policy wants sign-offs, and the commits could not be read.
    pub is_sign_off_unknown: bool,
    /// A person has to decide.
    pub is_draft: bool,
}

impl Concerns {
    /// Like weakened tests, they make a draft of a strict policy.
    pub fn add_untested(&mut self, files: &[String], policy: &Policy) {
        self.untested = files.to_vec();
        self.is_draft |= !files.is_empty() && policy.integrity == Integrity::Strict;
    }

    /// A hook adds sign-offs, and the repository or the agent may keep it from running. `None`: the commits could not be read.
    pub fn require_sign_off(&mut self, commits: Option<&[Commit]>) {
        let Some(commits) = commits else {
            self.is_sign_off_unknown = true;
            self.is_draft = true;
            return;
        };
        let unsigned = commits.iter().filter(|commit| !commit.is_signed_off);
        self.unsigned = unsigned.count() as u64;
        self.is_draft |= self.unsigned > 0;
    }

    /// Those about a change, by the policy of its repository. `names` are all changed files; `diff` may be cut.
    pub fn about(diff: &ReportDiff, names: &[String], policy: &Policy) -> Self {
        let names = names.iter();
        let protected: Vec<String> = names
            .filter(|path| policy.protected_paths.contain(path))
            .cloned()
            .collect();
        let too_large = policy.max_diff.as_ref().and_then(|limit| excess(diff, *limit));
        let is_searched = policy.integrity != Integrity::Off;
        let weakenings = if is_searched {
            weakenings(&diff.files)
        } else {
            Vec::new()
        };
        let is_cut =
            diff.file_count as usize > diff.files.len() || diff.files.iter().any(|file| file.is_truncated);
        let is_unexamined = is_searched && is_cut;
        let is_strict = policy.integrity == Integrity::Strict;
        Self {
            is_draft: !protected.is_empty()
                || too_large.is_some()
                || (is_strict && (!weakenings.is_empty() || is_unexamined)),
            protected,
            too_large,
            weakenings,
            is_unexamined,
            ..Self::default()
        }
    }

    /// Of a change that git cannot compare in time. A draft if the policy depends on it.
    pub fn unexamined(policy: &Policy) -> Self {
        Self {
            is_unexamined: true,
            is_draft: policy.integrity == Integrity::Strict
                || policy.max_diff.is_some()
                || !policy.protected_paths.is_empty(),
            ..Self::default()
        }
    }
}

fn excess(diff: &ReportDiff, limit: MaxDiff) -> Option<String> {
    let lines = diff.additions.saturating_add(diff.deletions);
    let too_many = |found: u64, limit: Option<u32>, noun: &str| {
        let limit = limit.filter(|&limit| found > u64::from(limit))?;
        Some(format!("{found} changed {noun}, {limit} are allowed"))
    };
    let problems = [
        too_many(u64::from(diff.file_count), limit.files, "files"),
        too_many(lines, limit.lines, "lines"),
    ];
    let problems: Vec<String> = problems.into_iter().flatten().collect();
    (!problems.is_empty()).then(|| problems.join("; "))
}

#[cfg(test)]
mod tests {
    use whim_core::CommitHash;
    use whim_core::protocol::diff::{FileDiff, FileStatus};

    use super::*;
    use crate::workspace::Purpose;

    fn diff(paths: &[&str]) -> ReportDiff {
        let hash = CommitHash::parse("9fceb02d0ae598e95dc970b74767f19372d61af8").unwrap();
        ReportDiff {
            base_sha: hash.clone(),
            head_sha: hash,
            files: paths
                .iter()
                .map(|path| FileDiff {
                    path: (*path).to_owned(),
                    old_path: Some(format!("old/{path}")),
                    status: FileStatus::Modified,
                    is_binary: false,
                    additions: 0,
                    deletions: 0,
                    patch: Some("@@ -1 +1 @@\n+it.skip('a', () => {\n".to_owned()),
                    is_truncated: false,
                })
                .collect(),
            file_count: 2,
            additions: 40,
            deletions: 2,
        }
    }

    fn concerns(policy: &str) -> Concerns {
        let names = ["infra/main.tf", "old/infra/main.tf", "a.test.js"].map(str::to_owned);
        Concerns::about(
            &diff(&["infra/main.tf", "a.test.js"]),
            &names,
            &Policy::parse(policy).unwrap(),
        )
    }

    #[test]
    fn protected_paths_make_a_draft() {
        for (patterns, expected) in [
            ("['infra/**']", vec!["infra/main.tf"]),
            ("['*.tf']", vec!["infra/main.tf", "old/infra/main.tf"]),
            ("['infra']", vec!["infra/main.tf", "old/infra/main.tf"]),
            ("['/infra/']", vec!["infra/main.tf"]),
            ("['/a.test.js']", vec!["a.test.js"]),
            ("['db/**', '*.sql']", vec![]),
        ] {
            let concerns = concerns(&format!("protectedPaths: {patterns}\n"));
            assert_eq!(concerns.protected, expected, "{patterns}");
            assert_eq!(concerns.is_draft, !expected.is_empty());
        }
    }

    #[test]
    fn a_change_beyond_the_limits_is_a_draft() {
        assert_eq!(concerns("maxDiff: {files: 2, lines: 42}\n").too_large, None);
        let concerns = concerns("maxDiff: {files: 1, lines: 41}\n");
        assert_eq!(
            concerns.too_large.as_deref(),
            Some("2 changed files, 1 are allowed; 42 changed lines, 41 are allowed")
        );
        assert!(concerns.is_draft);
    }

    #[test]
    fn weakened_tests_are_named_or_make_a_draft() {
        for (policy, count, is_draft) in [
            ("", 1, false),
            ("integrity: report\n", 1, false),
            ("integrity: strict\n", 1, true),
            ("integrity: off\n", 0, false),
        ] {
            let concerns = concerns(policy);
            assert_eq!(
                (concerns.weakenings.len(), concerns.is_draft),
                (count, is_draft),
                "{policy}"
            );
        }
    }

    #[test]
    fn what_was_not_examined_is_said() {
        let mut cut = diff(&["src/a.js"]);
        cut.files[0].is_truncated = true;
        let concerns = |policy: &str| Concerns::about(&cut, &[], &Policy::parse(policy).unwrap());
        for (policy, is_unexamined, is_draft) in [
            ("", true, false),
            ("integrity: strict\n", true, true),
            ("integrity: off\n", false, false),
        ] {
            let concerns = concerns(policy);
            assert_eq!(
                (concerns.is_unexamined, concerns.is_draft),
                (is_unexamined, is_draft),
                "{policy}"
            );
        }
        for (policy, is_draft) in [
            ("", false),
            ("protectedPaths: [a]\n", true),
            ("maxDiff: {files: 9}\n", true),
        ] {
            assert_eq!(
                Concerns::unexamined(&Policy::parse(policy).unwrap()).is_draft,
                is_draft,
                "{policy}"
            );
        }
    }

    #[test]
    fn sign_offs_that_could_not_be_read_make_a_draft() {
        let commit = |is_signed_off| Commit {
            hash: CommitHash::parse("9fceb02d0ae598e95dc970b74767f19372d61af8").unwrap(),
            purpose: Purpose::Other,
            is_signed_off,
            files: Vec::new(),
        };
        for (commits, expected) in [
            (Some(vec![commit(true)]), (0, false, false)),
            (Some(vec![commit(true), commit(false)]), (1, false, true)),
            (None, (0, true, true)),
        ] {
            let mut concerns = Concerns::default();
            concerns.require_sign_off(commits.as_deref());
            assert_eq!(
                (concerns.unsigned, concerns.is_sign_off_unknown, concerns.is_draft),
                expected
            );
        }
    }
}
