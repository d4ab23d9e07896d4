//! The question before an edit: what `--pre-edit-hook` gets to read, and what its exit code says.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The exit code with which a hook allows the edit.
pub const EDIT_ALLOWED: u8 = 0;

/// The exit code with which a hook refuses the edit; the agent reads what it wrote to standard error. After any other
/// code the edit goes ahead: the hook failed, and the agent is not to blame.
pub const EDIT_REFUSED: u8 = 2;

/// What the agent is about to do, as the hook reads it from its standard input. Fields that are not named here, such as
/// the new text, are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PreEdit {
    /// Where the agent is; a relative path means from there.
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
    /// Reads the question.
    ///
    /// # Errors
    /// It is not JSON, or names no file.
    pub fn parse(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }

    /// The file that is to be edited, as the agent named it.
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
    fn the_file_is_found_whatever_the_tool_and_wherever_the_agent_is() {
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
