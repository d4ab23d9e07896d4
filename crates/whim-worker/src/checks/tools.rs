//! The programs that checks need: those on `PATH`, and those that are missing.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::plan::{Plan, Step};

/// Commands of `sh` itself.
const BUILTINS: [&str; 34] = [
    "!", ".", ":", "[", "break", "case", "cd", "command", "continue", "echo", "eval", "exec", "exit",
    "export", "false", "for", "getopts", "if", "printf", "pwd", "read", "readonly", "return", "set", "shift",
    "test", "trap", "true", "type", "ulimit", "umask", "unset", "until", "while",
];

/// The programs on a search path.
#[derive(Clone, Debug)]
pub struct Tools {
    search_path: String,
}

/// A program that a check needs and that is not installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingTool {
    pub check: String,
    pub program: String,
}

impl Tools {
    /// Those in the directories of `search_path`, in the form of `PATH`.
    pub fn on(search_path: impl Into<String>) -> Self {
        Self {
            search_path: search_path.into(),
        }
    }

    pub fn has(&self, program: &str) -> bool {
        std::env::split_paths(&self.search_path).any(|directory| is_executable(&directory.join(program)))
    }

    /// The search path with `directory` before the others.
    pub(super) fn path_with(&self, directory: &Path) -> String {
        format!("{}:{}", directory.display(), self.search_path)
    }

    /// The first program that the required checks of a plan need and that is missing. The programs of its setup are not examined,
    /// because a command of the setup may install what the next one needs.
    pub fn missing(&self, plan: &Plan) -> Option<MissingTool> {
        let required = plan.checks.iter().filter(|check| check.required);
        required.into_iter().find_map(|check| {
            let programs = check
                .steps()
                .filter_map(program)
                .chain(check.tools.iter().copied());
            let missing = programs.into_iter().find(|program| !self.has(program))?;
            Some(MissingTool {
                check: check.name.clone(),
                program: missing.to_owned(),
            })
        })
    }
}

pub(super) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The program that a command searches on `PATH`; `None` for paths, and for shell commands that begin with something else.
pub(super) fn program(step: &Step) -> Option<&str> {
    match step.shell_command() {
        Some(command) => first_program(command),
        None => step.program.to_str().filter(|program| !program.contains('/')),
    }
}

/// The first word of a shell command that names a program beyond doubt.
fn first_program(command: &str) -> Option<&str> {
    let is_assignment = |word: &&str| {
        word.split_once('=').is_some_and(|(name, value)| {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            name.bytes().all(is_name) && value.bytes().all(is_plain)
        })
    };
    let word = command.split_whitespace().find(|word| !is_assignment(word))?;
    let is_program = word.bytes().all(is_plain) && !word.contains('/') && !BUILTINS.contains(&word);
    is_program.then_some(word)
}

/// Whether `sh` gives this byte no meaning.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-/:@%,".contains(&byte)
}

/// Where a checkout keeps programs that were made available for its checks.
pub(super) fn programs_directory(state: &Path) -> PathBuf {
    state.join("bin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_shell_command_is_found_only_beyond_doubt() {
        for (command, expected) in [
            ("npm test", Some("npm")),
            ("CI=1 RUST_LOG=info cargo test", Some("cargo")),
            ("g++ -v", Some("g++")),
            ("cd web && npm test", None),
            ("./gradlew test", None),
            ("$TOOL test", None),
            ("(npm test)", None),
            ("A=$(x) npm test", None),
            ("npm; true", None),
            ("'my tool' test", None),
            ("if true; then x; fi", None),
            ("A=1", None),
        ] {
            assert_eq!(first_program(command), expected, "{command}");
        }
    }

    #[test]
    fn a_file_without_execute_permission_is_no_tool() {
        let directory = tempfile::tempdir().unwrap();
        let tool = directory.path().join("tool");
        fs::write(&tool, "").unwrap();
        let tools = Tools::on(directory.path().to_str().unwrap());
        assert!(!tools.has("tool"));
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(tools.has("tool"));
        assert!(!tools.has("other"));
    }
}
