//! A diff as text, in the format of git.

use std::fmt::Write as _;

use whim_core::protocol::diff::{Diff, FileDiff, FileStatus};

/// Says what is missing because of the limits.
pub(super) fn text(diff: &Diff) -> String {
    let mut text = String::new();
    for file in &diff.files {
        // Writing to a string does not fail.
        write_file(&mut text, file).ok();
    }
    let missing = (diff.file_count as usize).saturating_sub(diff.files.len());
    if missing > 0 {
        writeln!(text, "# {missing} more files are not in this diff").ok();
    }
    text
}

fn write_file(text: &mut String, file: &FileDiff) -> std::fmt::Result {
    let name = |path: &str| path.replace(char::is_control, "\u{fffd}");
    let new = name(&file.path);
    let old = file.old_path.as_deref().map_or_else(|| new.clone(), name);
    writeln!(text, "diff --git a/{old} b/{new}")?;
    if file.status == FileStatus::Renamed {
        writeln!(text, "rename from {old}\nrename to {new}")?;
    }
    let (before, after) = match file.status {
        FileStatus::Added => ("/dev/null".to_owned(), format!("b/{new}")),
        FileStatus::Deleted => (format!("a/{old}"), "/dev/null".to_owned()),
        FileStatus::Modified | FileStatus::Renamed | FileStatus::TypeChanged => {
            (format!("a/{old}"), format!("b/{new}"))
        }
    };
    if file.is_binary {
        writeln!(text, "Binary files {before} and {after} differ")?;
    }
    if let Some(patch) = file.patch.as_deref().filter(|patch| !patch.is_empty()) {
        write!(text, "--- {before}\n+++ {after}\n{patch}")?;
    }
    if file.is_truncated {
        writeln!(text, "# the rest of this file is not in this diff")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn files_have_the_headings_of_git_and_omissions_are_stated() {
        let files = json!([
            { "path": "a.js", "status": "modified", "isBinary": false, "additions": 1, "deletions": 1,
              "patch": "@@ -1 +1 @@\n-a\n+b\n" },
            { "path": "new\n.js", "oldPath": "old.js", "status": "renamed", "isBinary": false, "additions": 0,
              "deletions": 0, "patch": "" },
            { "path": "logo.png", "status": "added", "isBinary": true, "additions": 0, "deletions": 0 },
            { "path": "big.txt", "status": "deleted", "isBinary": false, "additions": 0, "deletions": 9,
              "isTruncated": true },
        ]);
        let diff = Diff {
            files: serde_json::from_value(files).unwrap(),
            file_count: 6,
            ..Diff::empty(whim_core::WorkItemId::new())
        };
        assert_eq!(
            text(&diff),
            "diff --git a/a.js b/a.js\n--- a/a.js\n+++ b/a.js\n@@ -1 +1 @@\n-a\n+b\n\
             diff --git a/old.js b/new\u{fffd}.js\nrename from old.js\nrename to new\u{fffd}.js\n\
             diff --git a/logo.png b/logo.png\nBinary files /dev/null and b/logo.png differ\n\
             diff --git a/big.txt b/big.txt\n# the rest of this file is not in this diff\n\
             # 2 more files are not in this diff\n"
        );
    }
}
