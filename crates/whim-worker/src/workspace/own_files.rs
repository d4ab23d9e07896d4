//! Where Whim's own files are: in a directory whose name no file of the project has.

use ralph_contract::files::RunFiles;

/// The directory, or the stem of its name if the repository has a file of that name. It is not below `.git`, because Claude
/// Code edits nothing there.
const DIRECTORY: &str = ".whim-run";
const CHECKLIST: &str = "SPEC.md";
const REPAIR_CHECKLIST: &str = "repair.md";

/// The names of Whim's own files in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFiles {
    /// The checklist, relative to the workspace.
    pub checklist: String,
    /// All other files.
    pub run: RunFiles,
}

impl OwnFiles {
    fn in_directory(directory: String) -> Self {
        Self {
            checklist: format!("{directory}/{CHECKLIST}"),
            run: RunFiles::in_directory(directory),
        }
    }

    /// From now on, the checklist is that of a repair.
    pub(super) fn begin_repair(&mut self) {
        self.checklist = format!("{}/{REPAIR_CHECKLIST}", self.run.directory());
    }

    /// A pattern for git that keeps them out of commits.
    pub(super) fn exclude_pattern(&self) -> String {
        format!("/{}/\n", self.run.directory())
    }

    /// The first directory whose name is not among `taken`.
    pub(super) fn free(taken: &[&str]) -> Self {
        let mut directory = DIRECTORY.to_owned();
        let mut number = 1;
        while taken.iter().any(|name| name.eq_ignore_ascii_case(&directory)) {
            number += 1;
            directory = format!("{DIRECTORY}-{number}");
        }
        Self::in_directory(directory)
    }
}

impl Default for OwnFiles {
    fn default() -> Self {
        Self::in_directory(DIRECTORY.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_has_a_name_that_the_repository_does_not_use() {
        let directory = |taken: &[&str]| OwnFiles::free(taken).run.directory().to_owned();
        assert_eq!(directory(&["SPEC.md", ".ai", ""]), ".whim-run");
        assert_eq!(directory(&[".whim-run", "src"]), ".whim-run-2");
        assert_eq!(directory(&[".WHIM-RUN", ".whim-run-2"]), ".whim-run-3");
    }
}
