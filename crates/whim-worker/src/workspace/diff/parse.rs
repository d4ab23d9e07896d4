//! What `git diff` prints, as files with patches.

use std::collections::HashMap;

use whim_core::protocol::diff::{FileDiff, FileStatus, MAX_DIFF_BYTES, MAX_DIFF_FILES, MAX_PATCH_BYTES};
use whim_core::redact::Redactor;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) files: u32,
    pub(super) additions: u64,
    pub(super) deletions: u64,
}

/// Reads `--shortstat`: ` 3 files changed, 10 insertions(+), 2 deletions(-)`; nothing if nothing changed.
pub(super) fn totals(text: &str) -> Totals {
    let mut totals = Totals::default();
    for part in text.trim().split(", ") {
        let Some((number, noun)) = part.split_once(' ') else {
            continue;
        };
        let number: u64 = number.parse().unwrap_or(0);
        match noun {
            _ if noun.starts_with("file") => totals.files = u32::try_from(number).unwrap_or(u32::MAX),
            _ if noun.starts_with("insertion") => totals.additions = number,
            _ if noun.starts_with("deletion") => totals.deletions = number,
            _other => {}
        }
    }
    totals
}

/// Reads `--raw --numstat -z`: first `:100644 100644 <hash> <hash> M`, path; then `3<tab>1<tab>path`. A renamed file has
/// two paths.
pub(super) fn files(output: &[u8], redactor: &Redactor) -> Vec<FileDiff> {
    let mut files = Vec::new();
    let mut counts = HashMap::new();
    // What follows the last NUL is empty, or was cut.
    let complete = output
        .iter()
        .rposition(|byte| *byte == 0)
        .map_or(0, |end| end + 1);
    let mut fields = output[..complete]
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy);
    while let Some(field) = fields.next() {
        if let Some(raw) = field.strip_prefix(':') {
            let letter = raw.rsplit(' ').next().and_then(|status| status.chars().next());
            let (status, has_two_paths) = match letter {
                Some('A') => (FileStatus::Added, false),
                Some('D') => (FileStatus::Deleted, false),
                Some('R') => (FileStatus::Renamed, true),
                Some('C') => (FileStatus::Added, true),
                Some('T') => (FileStatus::TypeChanged, false),
                Some(_) | None => (FileStatus::Modified, false),
            };
            let old_path = if has_two_paths { fields.next() } else { None };
            // Empty after the last whole entry of a list that was cut.
            let Some(path) = fields.next().filter(|path| !path.is_empty()) else {
                break;
            };
            files.push(FileDiff {
                path: path.into_owned(),
                old_path: old_path.filter(|_| status == FileStatus::Renamed).map(Into::into),
                status,
                is_binary: false,
                additions: 0,
                deletions: 0,
                patch: None,
                is_truncated: false,
            });
        } else if let [additions, deletions, path] = field.splitn(3, '\t').collect::<Vec<_>>()[..] {
            let path = if path.is_empty() {
                // Renamed: the old path, then the new one.
                fields.next();
                fields.next().map(Into::into)
            } else {
                Some(path.to_owned())
            };
            let count = (additions.parse().ok(), deletions.parse().ok());
            counts.extend(path.map(|path| (path, count)));
        }
    }
    for file in &mut files {
        match counts.get(&file.path) {
            Some((Some(additions), Some(deletions))) => {
                (file.additions, file.deletions) = (*additions, *deletions);
            }
            // Printed as `-`.
            Some(_) => file.is_binary = true,
            None => {}
        }
    }
    for file in &mut files {
        file.path = redactor.redact(&file.path);
        file.old_path = file.old_path.as_deref().map(|path| redactor.redact(path));
    }
    files
}

/// Adds the hunks of `--patch` to all files, in the same order, and drops files beyond the limit. `is_complete`: `output`
/// is all that git printed.
pub(super) fn patches(files: &mut Vec<FileDiff>, output: &[u8], is_complete: bool, redactor: &Redactor) {
    let text = String::from_utf8_lossy(output);
    let mut sections = sections(&text).peekable();
    let mut left = MAX_DIFF_BYTES;
    files.truncate(MAX_DIFF_FILES);
    for file in files {
        let Some(section) = sections.next() else {
            file.is_truncated = !is_complete && !file.is_binary;
            continue;
        };
        let mut hunks = hunks_of(section).to_owned();
        // A type change is printed as a deletion and an addition under the same heading.
        while let Some(more) = sections.next_if(|next| heading(next) == heading(section)) {
            hunks.push_str(hunks_of(more));
        }
        if file.is_binary {
            continue;
        }
        let is_cut = !is_complete && sections.peek().is_none();
        let masked = redactor.redact(&hunks);
        let (patch, is_bounded) = whole_lines(&masked, left.min(MAX_PATCH_BYTES), is_cut);
        file.is_truncated = is_bounded || is_cut;
        if !patch.is_empty() || !file.is_truncated {
            left -= patch.len();
            file.patch = Some(patch.to_owned());
        }
    }
}

const HEADING: &str = "diff --git ";

/// The part of each file. Lines of files have a prefix, so no content is taken for a heading.
fn sections(text: &str) -> impl Iterator<Item = &str> {
    let starts = text
        .match_indices(HEADING)
        .map(|(start, _)| start)
        .filter(|start| *start == 0 || text.as_bytes()[start - 1] == b'\n');
    let starts: Vec<usize> = starts.collect();
    let ends: Vec<usize> = starts.iter().copied().skip(1).chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &text[start..end])
}

fn heading(section: &str) -> &str {
    section.lines().next().unwrap_or_default()
}

/// From the first `@@` on; empty if only a name or a mode changed.
fn hunks_of(section: &str) -> &str {
    section.find("\n@@ ").map_or("", |start| &section[start + 1..])
}

/// The whole lines within the limit, and whether some are missing. `is_cut`: the last line is not whole.
fn whole_lines(text: &str, limit: usize, is_cut: bool) -> (&str, bool) {
    if text.len() <= limit && !is_cut {
        return (text, false);
    }
    let end = text.floor_char_boundary(limit.min(text.len()));
    let end = text[..end].rfind('\n').map_or(0, |newline| newline + 1);
    (&text[..end], true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(["ghs_0123456789".to_owned()])
    }

    fn file(path: &str, status: FileStatus) -> FileDiff {
        FileDiff {
            path: path.to_owned(),
            old_path: None,
            status,
            is_binary: false,
            additions: 0,
            deletions: 0,
            patch: None,
            is_truncated: false,
        }
    }

    // As printed by git 2.47.
    #[test]
    fn names_counts_and_kinds_are_read_from_what_git_prints() {
        let output = b":100644 100644 aaaa bbbb M\0src/a\tb.js\0:100644 100644 aaaa aaaa R100\0old \xff.js\0new.js\0\
            :000000 100644 0000 cccc A\0logo.png\0:100644 000000 aaaa 0000 D\0ghs_0123456789\0:100644 120000 a b T\0l\0\
            3\t1\tsrc/a\tb.js\x000\t0\t\0old \xff.js\0new.js\0-\t-\tlogo.png\x000\t9\tghs_0123456789\x001\t1\tl\0";
        let files = files(output, &redactor());
        let expected = [
            FileDiff {
                additions: 3,
                deletions: 1,
                ..file("src/a\tb.js", FileStatus::Modified)
            },
            FileDiff {
                old_path: Some("old \u{fffd}.js".to_owned()),
                ..file("new.js", FileStatus::Renamed)
            },
            FileDiff {
                is_binary: true,
                ..file("logo.png", FileStatus::Added)
            },
            FileDiff {
                deletions: 9,
                ..file("***", FileStatus::Deleted)
            },
            FileDiff {
                additions: 1,
                deletions: 1,
                ..file("l", FileStatus::TypeChanged)
            },
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn a_list_that_was_cut_keeps_its_whole_names() {
        let files = files(
            b":100644 100644 a b M\0a.js\0:100644 100644 a b M\0b.j",
            &redactor(),
        );
        assert_eq!(files, [file("a.js", FileStatus::Modified)]);
    }

    #[test]
    fn sums_are_read_in_singular_and_plural() {
        let sums = |files, additions, deletions| Totals {
            files,
            additions,
            deletions,
        };
        assert_eq!(
            totals(" 3 files changed, 10 insertions(+), 2 deletions(-)\n"),
            sums(3, 10, 2)
        );
        assert_eq!(totals(" 1 file changed, 1 deletion(-)\n"), sums(1, 0, 1));
        assert_eq!(totals(""), sums(0, 0, 0));
    }

    #[test]
    fn each_file_gets_its_hunks_and_secrets_are_masked() {
        let mut files = vec![
            file("a.js", FileStatus::Modified),
            file("b.js", FileStatus::Renamed),
            FileDiff {
                is_binary: true,
                ..file("logo.png", FileStatus::Added)
            },
            file("l", FileStatus::TypeChanged),
            file("z", FileStatus::Modified),
        ];
        let output = "diff --git a/a.js b/a.js\nindex 1..2 100644\n--- a/a.js\n+++ b/a.js\n@@ -1 +1 @@\n-diff --git a/x b/x\n+ghs_0123456789\n\
            diff --git a/old.js b/b.js\nsimilarity index 100%\nrename from old.js\nrename to b.js\n\
            diff --git a/logo.png b/logo.png\nnew file mode 100644\nBinary files /dev/null and b/logo.png differ\n\
            diff --git a/l b/l\ndeleted file mode 100644\n--- a/l\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\
            diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n\
            diff --git a/z b/z\n--- a/z\n+++ b/z\n@@ -1 +1 @@\n-1\n+2\n";
        patches(&mut files, output.as_bytes(), true, &redactor());
        let found: Vec<Option<&str>> = files.iter().map(|file| file.patch.as_deref()).collect();
        assert_eq!(
            found,
            [
                Some("@@ -1 +1 @@\n-diff --git a/x b/x\n+***\n"),
                Some(""),
                None,
                Some("@@ -1 +0,0 @@\n-x\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n"),
                Some("@@ -1 +1 @@\n-1\n+2\n"),
            ]
        );
        assert!(files.iter().all(|file| !file.is_truncated));
    }

    #[test]
    fn patches_are_cut_at_a_line_and_what_is_missing_is_marked() {
        let long = format!("+{}\n", "x".repeat(99)).repeat(2000);
        let output: String = (0..8)
            .map(|n| format!("diff --git a/{n} b/{n}\n--- a/{n}\n+++ b/{n}\n@@ -0,0 +1,2000 @@\n{long}"))
            .collect();
        let mut files: Vec<FileDiff> = (0..1200)
            .map(|n| file(&n.to_string(), FileStatus::Added))
            .collect();
        patches(&mut files, output.as_bytes(), false, &redactor());
        assert_eq!(files.len(), MAX_DIFF_FILES);
        assert!(files.iter().all(|file| file.is_truncated));
        let sizes: Vec<usize> = files
            .iter()
            .filter_map(|file| Some(file.patch.as_ref()?.len()))
            .collect();
        assert!(sizes.iter().sum::<usize>() <= MAX_DIFF_BYTES);
        assert!(sizes.iter().all(|size| *size <= MAX_PATCH_BYTES));
        assert!(files[0].patch.as_ref().unwrap().ends_with("x\n"));
        assert_eq!((sizes.len(), &files[7].patch), (7, &None));
    }
}
