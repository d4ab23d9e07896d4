//! The files that `ralph`, the agent and the caller exchange, relative to the workspace directory.

/// The checklist, if the caller names no other.
pub const SPEC: &str = "SPEC.md";

/// The checklist, if the caller names no other and there is no `SPEC.md`.
pub const SPEC_IN_AI: &str = ".ai/SPEC.md";

/// The directory of the other files, if the caller names no other.
pub const AI_DIR: &str = ".ai";

/// The files of a run other than the checklist. They are never committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFiles {
    directory: String,
}

impl RunFiles {
    /// In a directory that is relative to the workspace and ends without a slash.
    pub fn in_directory(directory: impl Into<String>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// Written by the agent if it cannot continue: what is missing, as text.
    pub fn stuck(&self) -> String {
        self.path("stuck.md")
    }

    /// Written by the caller before the run: the learnings of earlier runs.
    pub fn learnings(&self) -> String {
        self.path("learnings.md")
    }

    /// Written by the agent: its learnings, one `- Pattern: …`, `- Gotcha: …` or `- Approach: …` per line.
    pub fn new_learnings(&self) -> String {
        self.path("new-learnings.md")
    }

    /// Written by the caller before the run: what the first agent must put right before its task, as text.
    pub fn correction(&self) -> String {
        self.path("correction.md")
    }

    /// Written by the caller before the run or during it, by renaming: the notes of the people who requested the work, the
    /// newest last, as text. Read before each iteration.
    pub fn notes(&self) -> String {
        self.path("notes.md")
    }

    pub fn all(&self) -> [String; 5] {
        [
            self.stuck(),
            self.learnings(),
            self.new_learnings(),
            self.correction(),
            self.notes(),
        ]
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }
}

impl Default for RunFiles {
    fn default() -> Self {
        Self::in_directory(AI_DIR)
    }
}

/// Directories that common tools create and no project commits.
const CACHES: [&str; 8] = [
    "__pycache__",
    ".gradle",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".tox",
    ".venv",
    "node_modules",
];

/// Whether an untracked file or directory is a cache of a common tool, which no commit needs. A path of git: relative,
/// with slashes.
pub fn is_cache(path: &str) -> bool {
    path.split('/').any(|part| CACHES.contains(&part)) || path.ends_with("/.DS_Store") || path == ".DS_Store"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_distinguished_from_files_of_a_project() {
        for path in [
            "__pycache__/",
            "a/__pycache__/x.pyc",
            "node_modules/",
            "web/node_modules/x/",
            ".DS_Store",
            "a/.DS_Store",
        ] {
            assert!(is_cache(path), "{path}");
        }
        for path in [
            "src/",
            "farewell.txt",
            "node_modules.md",
            "a.DS_Store",
            "target/",
            "dist/",
        ] {
            assert!(!is_cache(path), "{path}");
        }
    }
}
