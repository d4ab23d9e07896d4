//! The input and the exit codes of a pre-edit hook.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The edit proceeds.
pub const EDIT_ALLOWED: u8 = 0;

/// The edit is refused, and the agent gets the standard error of the hook. After any other exit code the hook has failed, and
/// the edit proceeds.
pub const EDIT_REFUSED: u8 = 2;

/// The edit that the agent is about to make, as the hook reads it from standard input. Other fields, such as the new text, are
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PreEdit {
    /// The directory of the agent, to which relative paths refer.
    #[serde(default)]
    cwd: PathBuf,
    tool_input: ToolInput,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct ToolInput {
    #[serde(alias = "notebook_path")]
    file_path: PathBuf,
}

impl PreEdit {
    /// # Errors
    /// The input is not JSON, or names no file.
    pub fn parse(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    /// The file to be edited, as the agent named it.
    pub fn path(&self) -> PathBuf {
        let Self {
            cwd,
            tool_input: ToolInput { file_path },
        } = self;
        Path::new(cwd).join(file_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(json: &str) -> Option<PathBuf> {
        PreEdit::parse(json.as_bytes()).ok().map(|edit| edit.path())
    }

    #[test]
    fn the_file_is_found_for_every_tool_and_directory() {
        for (json, path) in [
            (
                r#"{"cwd":"/w","tool_name":"Write","tool_input":{"file_path":"/w/a.rs","content":"x"}}"#,
                Some("/w/a.rs"),
            ),
            (
                r#"{"cwd":"/w/sub","tool_name":"Edit","tool_input":{"file_path":"../a.rs"}}"#,
                Some("/w/sub/../a.rs"),
            ),
            (
                r#"{"cwd":"/w","tool_name":"NotebookEdit","tool_input":{"notebook_path":"/w/a.ipynb"}}"#,
                Some("/w/a.ipynb"),
            ),
            (r#"{"tool_input":{"file_path":"/w/a.rs"}}"#, Some("/w/a.rs")),
            (r#"{"cwd":"/w","tool_input":{"command":"ls"}}"#, None),
            ("", None),
        ] {
            assert_eq!(path_of(json), path.map(PathBuf::from), "{json}");
        }
    }
}
