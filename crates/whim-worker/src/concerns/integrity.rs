//! Tests that a change removed or weakened, found from its diff. Conservative: what may be a move is not reported.

use std::collections::BTreeMap;
use std::fmt;

use whim_core::protocol::diff::{FileDiff, FileStatus};

use super::check_settings::{changes_check, lowers_coverage};
use super::languages::{Language, is_test_path};
use crate::text::counted;

/// One place where the change may hide a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakening {
    pub path: String,
    pub what: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file is deleted, and the change has fewer tests than the base.
    FileDeleted,
    TestsRemoved(u64),
    AssertionsRemoved(u64),
    Skipped(u64),
    SnapshotChanged,
    CoverageLowered,
    CheckChanged,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileDeleted => formatter.write_str("a file with tests was deleted"),
            Self::TestsRemoved(count) => write!(formatter, "{} removed", was(*count, "test")),
            Self::AssertionsRemoved(count) => write!(formatter, "{} removed", was(*count, "assertion")),
            Self::Skipped(count) => write!(formatter, "{} skipped or focused", was(*count, "test")),
            Self::SnapshotChanged => formatter.write_str("an expected result was rewritten"),
            Self::CoverageLowered => formatter.write_str("a threshold of the coverage was lowered"),
            Self::CheckChanged => formatter.write_str("the command of a check was changed"),
        }
    }
}

fn was(count: u64, noun: &str) -> String {
    format!(
        "{} {}",
        counted(count, noun),
        if count == 1 { "was" } else { "were" }
    )
}

/// What lines of a patch say about tests.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tests_added: u64,
    tests_removed: u64,
    assertions_added: u64,
    assertions_removed: u64,
    skips_added: u64,
    skips_removed: u64,
}

impl Counts {
    fn of(language: &Language, path: &str, patch: &str) -> Self {
        let mut counts = Self::default();
        let in_test_file = is_test_path(path);
        for line in patch.lines() {
            let (line, is_added) = match (line.strip_prefix('+'), line.strip_prefix('-')) {
                (Some(line), _) => (line, true),
                (_, Some(line)) => (line, false),
                (None, None) => continue,
            };
            let mut count =
                |matches: bool, added: fn(&mut Self) -> &mut u64, removed: fn(&mut Self) -> &mut u64| {
                    if matches {
                        *if is_added {
                            added(&mut counts)
                        } else {
                            removed(&mut counts)
                        } += 1;
                    }
                };
            if !in_test_file && !language.has_tests_anywhere {
                continue;
            }
            count(
                language.declares_test(line),
                |it| &mut it.tests_added,
                |it| &mut it.tests_removed,
            );
            count(
                language.skips_test(line),
                |it| &mut it.skips_added,
                |it| &mut it.skips_removed,
            );
            // Elsewhere an assertion is part of the program.
            count(
                in_test_file && language.asserts(line),
                |it| &mut it.assertions_added,
                |it| &mut it.assertions_removed,
            );
        }
        counts
    }

    fn tests_lost(self) -> u64 {
        self.tests_removed.saturating_sub(self.tests_added)
    }

    fn assertions_lost(self) -> u64 {
        self.assertions_removed.saturating_sub(self.assertions_added)
    }
}

/// In the order of the files.
pub fn weakenings(files: &[FileDiff]) -> Vec<Weakening> {
    let counts: BTreeMap<&str, Counts> = files
        .iter()
        .filter_map(|file| {
            // Without its end, added lines may be missing.
            let language = Language::of(&file.path).filter(|_| !file.is_truncated)?;
            let patch = file.patch.as_deref().unwrap_or_default();
            Some((file.path.as_str(), Counts::of(language, &file.path, patch)))
        })
        .collect();
    // Tests that moved to another file are not lost.
    let mut all = Counts::default();
    for one in counts.values() {
        all.tests_added += one.tests_added;
        all.tests_removed += one.tests_removed;
        all.assertions_added += one.assertions_added;
        all.assertions_removed += one.assertions_removed;
        all.skips_added += one.skips_added;
        all.skips_removed += one.skips_removed;
    }
    files
        .iter()
        .flat_map(|file| {
            let counts = counts.get(file.path.as_str()).copied().unwrap_or_default();
            kinds(file, counts, all).into_iter().map(|what| Weakening {
                path: file.path.clone(),
                what,
            })
        })
        .collect()
}

fn kinds(file: &FileDiff, counts: Counts, all: Counts) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let deleted = file.status == FileStatus::Deleted;
    if deleted && is_test_path(&file.path) && counts.tests_removed > 0 && all.tests_lost() > 0 {
        kinds.push(Kind::FileDeleted);
    } else if all.tests_lost() > 0 && counts.tests_lost() > 0 {
        kinds.push(Kind::TestsRemoved(counts.tests_lost()));
    } else if all.assertions_lost() > 0 && counts.assertions_lost() > 0 {
        kinds.push(Kind::AssertionsRemoved(counts.assertions_lost()));
    }
    let skipped = counts.skips_added.saturating_sub(counts.skips_removed);
    if skipped > 0 && all.skips_added > all.skips_removed {
        kinds.push(Kind::Skipped(skipped));
    }
    let patch = file.patch.as_deref().unwrap_or_default();
    let loses_lines = patch.lines().any(|line| line.starts_with('-'));
    if file.status == FileStatus::Modified && is_snapshot(&file.path) && (loses_lines || file.is_binary) {
        kinds.push(Kind::SnapshotChanged);
    }
    if file.status == FileStatus::Modified && lowers_coverage(&file.path, patch) {
        kinds.push(Kind::CoverageLowered);
    }
    if file.status != FileStatus::Added && changes_check(file, patch) {
        kinds.push(Kind::CheckChanged);
    }
    kinds
}

fn is_snapshot(path: &str) -> bool {
    // `order.approved.ts` is a source.
    let is_received =
        (path.contains(".approved.") || path.contains(".verified.")) && Language::of(path).is_none();
    is_received
        || path.ends_with(".snap")
        || path.contains("/__snapshots__/")
        || path.contains("/__image_snapshots__/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, status: FileStatus, patch: &str) -> FileDiff {
        FileDiff {
            path: path.to_owned(),
            old_path: None,
            status,
            is_binary: false,
            additions: 0,
            deletions: 0,
            patch: Some(format!("@@ -1,9 +1,9 @@\n{patch}")),
            is_truncated: false,
        }
    }

    fn found(files: &[FileDiff]) -> Vec<(String, Kind)> {
        weakenings(files)
            .into_iter()
            .map(|weakening| (weakening.path, weakening.what))
            .collect()
    }

    #[test]
    fn what_weakens_the_tests_is_found() {
        use FileStatus::{Deleted, Modified};
        for (path, status, patch, expected) in [
            (
                "a.test.js",
                Deleted,
                "-test('a', () => {\n-  expect(a).toBe(1);\n-});\n",
                Kind::FileDeleted,
            ),
            (
                "a_test.go",
                Modified,
                "-func TestA(t *testing.T) {\n-\tt.Fatal()\n-}\n",
                Kind::TestsRemoved(1),
            ),
            (
                "src/a.rs",
                Modified,
                "-    #[test]\n-    fn a() {}\n-    #[tokio::test]\n",
                Kind::TestsRemoved(2),
            ),
            (
                "tests/a.py",
                Modified,
                "-    assert a == 1\n-    assert b\n+    assert True\n",
                Kind::AssertionsRemoved(1),
            ),
            (
                "test_a.py",
                Modified,
                "+@pytest.mark.skip\n def test_a():\n",
                Kind::Skipped(1),
            ),
            (
                "a.spec.ts",
                Modified,
                "-  it('a', () => {\n+  it.skip('a', () => {\n",
                Kind::Skipped(1),
            ),
            (
                "src/__snapshots__/a.js.snap",
                Modified,
                "-1\n+2\n",
                Kind::SnapshotChanged,
            ),
            (
                "package.json",
                Modified,
                "-      \"branches\": 90,\n+      \"branches\": 50,\n",
                Kind::CoverageLowered,
            ),
            (
                "pyproject.toml",
                Modified,
                "-fail_under = 80\n+fail_under = 79.5\n",
                Kind::CoverageLowered,
            ),
            (
                "package.json",
                Modified,
                "-    \"test\": \"jest\",\n+    \"test\": \"true\",\n",
                Kind::CheckChanged,
            ),
            ("Makefile", Modified, "-test: build\n+test:\n", Kind::CheckChanged),
            (".github/workflows/ci.yml", Modified, "-a\n", Kind::CheckChanged),
            (".whim/config.yml", Deleted, "-a\n", Kind::CheckChanged),
        ] {
            assert_eq!(
                found(&[file(path, status, patch)]),
                [(path.to_owned(), expected)],
                "{patch}"
            );
        }
    }

    #[test]
    fn what_may_be_honest_is_not_reported() {
        use FileStatus::{Added, Deleted, Modified};
        for files in [
            // Moved.
            vec![
                file(
                    "a.test.js",
                    Deleted,
                    "-test('a', () => {\n-  expect(a).toBe(1);\n",
                ),
                file("b.test.js", Added, "+test('a', () => {\n+  expect(a).toBe(1);\n"),
            ],
            // Rewritten with as many assertions.
            vec![file(
                "test_a.py",
                Modified,
                "-    assert a == 1\n+    assert a == 2\n",
            )],
            // An assertion of the program.
            vec![file("src/a.rs", Modified, "-    assert!(a);\n")],
            vec![file("src/a.py", Modified, "-    assert a\n")],
            // New expectations.
            vec![file("a.snap", Added, "+1\n")],
            // Raised.
            vec![file(
                "package.json",
                Modified,
                "-  \"branches\": 50\n+  \"branches\": 90\n",
            )],
            // A number elsewhere.
            vec![file(
                "src/a.json",
                Modified,
                "-  \"target\": 50\n+  \"target\": 40\n",
            )],
            vec![file(
                "package.json",
                Modified,
                "-    \"start\": \"a\"\n+    \"start\": \"b\"\n",
            )],
            vec![file("package.json", Modified, "+    \"test\": \"jest\"\n")],
            vec![file("Makefile", Added, "+test:\n")],
            // A test without a skip again.
            vec![file(
                "a.spec.ts",
                Modified,
                "-  it.skip('a', () => {\n+  it('a', () => {\n",
            )],
            vec![file("README.md", Modified, "-it('a')\n")],
            vec![file(
                "package.json",
                Modified,
                "-    \"test\": \"jest\"\n+    \"test\": \"jest\",\n+    \"a\": \"b\"\n",
            )],
            vec![file("a.snap", Modified, "+1\n")],
            vec![file("src/order.approved.ts", Modified, "-1\n")],
            vec![file(
                "build.gradle.kts",
                Modified,
                "-jvmTarget = \"21\"\n+jvmTarget = \"17\"\n",
            )],
            vec![
                file("a.spec.ts", Deleted, "-  it.skip('a', () => {\n"),
                file("b.spec.ts", Added, "+  it.skip('a', () => {\n"),
            ],
        ] {
            assert_eq!(found(&files), [], "{files:?}");
        }
    }
}
