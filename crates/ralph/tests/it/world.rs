//! The world of one test: a directory with a git repository, scripts as agents, and the program.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use whim_testkit::git::Repository;

/// A checklist with two open tasks.
pub(crate) const TWO_TASKS: &str = "# Greetings

## Tasks
- [ ] Add a hello function
  - Returns hello
- [ ] Add a goodbye function
";

/// Shell functions for the scripts.
const PRELUDE: &str = r#"#!/bin/sh
set -eu
# Ticks the first open box of a checklist.
tick() {
    line=$(grep -n '^- \[ \]' "${1:-SPEC.md}" | head -n 1 | cut -d: -f1)
    sed -i "${line}s/\[ \]/[x]/" "${1:-SPEC.md}"
}
# Commits a new file.
work() {
    printf '%s\n' "$1" > "$1.txt"
    git add -- "$1.txt"
    git commit -q -m "Add $1"
}
# Starts a process in a session of its own, with our output, and waits until it has written its pid.
escape() {
    count=$(wc -l < "$OUTSIDE/pids")
    setsid sh -c 'echo $$ >> "$0"; exec sleep 300' "$OUTSIDE/pids" &
    while [ "$(wc -l < "$OUTSIDE/pids")" -eq "$count" ]; do sleep 0.02; done
}
# Waits for a file to be there.
await() {
    while [ ! -e "$1" ]; do sleep 0.02; done
}
"#;

pub(crate) struct World {
    directory: TempDir,
    pub(crate) repository: Repository,
}

impl World {
    /// A repository with one commit and the checklist, which is kept out of commits.
    pub(crate) fn new(spec: &str) -> Self {
        let directory = TempDir::with_prefix("ralph-test-").unwrap();
        let repository = Repository::init(directory.path().join("repository")).unwrap();
        repository
            .commit_files("Begin", &[("README.md", "Greetings\n")])
            .unwrap();
        let world = Self {
            directory,
            repository,
        };
        for name in ["home", "bin"] {
            fs::create_dir(world.outside(name)).unwrap();
        }
        fs::write(world.outside("pids"), "").unwrap();
        let exclude = world.path(".git/info");
        fs::create_dir_all(&exclude).unwrap();
        fs::write(exclude.join("exclude"), "SPEC.md\n.ai/\n").unwrap();
        world.write("SPEC.md", spec);
        world
    }

    /// A path in the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.repository.directory().join(name)
    }

    /// A path beside the repository.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A program beside the repository; its scripts know `$OUTSIDE`, the directory it is in.
    pub(crate) fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.outside("bin").join(name);
        let outside = format!("OUTSIDE={}\n", self.directory.path().display());
        fs::write(&path, format!("{PRELUDE}{outside}{body}\n")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A program that behaves like Claude Code: it knows its version, and then does what `body` says.
    pub(crate) fn fake_claude(&self, body: &str) -> PathBuf {
        let functions = r#"
if [ "${1:-}" = --version ]; then echo "2.1.329 (Claude Code)"; exit; fi
cat > "$OUTSIDE/prompt"
init() { echo '{"type":"system","subtype":"init","session_id":"s"}'; }
result() { echo '{"type":"result","subtype":"success","is_error":false,"result":"Done.","usage":{"input_tokens":10,"output_tokens":5},"total_cost_usd":0.5}'; }
"#;
        self.script("claude", &format!("{functions}{body}"))
    }

    /// The program, in the repository, with an environment that holds nothing of the test's own.
    pub(crate) fn ralph(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ralph"));
        whim_testkit::git::isolate(&mut command);
        command
            .env("HOME", self.outside("home"))
            .env("TZ", "UTC")
            .args(arguments)
            .current_dir(self.repository.directory())
            .stdin(Stdio::null());
        command
    }

    /// `ralph run` with a script as the agent. SPEC.md and git are read between iterations only, so that the
    /// order of events is the same each time; arguments may say otherwise.
    pub(crate) fn run_command(&self, agent: &Path, arguments: &[&str]) -> Command {
        let mut command = self.ralph(&["run", "--harness", "command"]);
        if !arguments.contains(&"--watch-period") {
            command.args(["--watch-period", "3600"]);
        }
        command.args(arguments).arg("--").arg(agent);
        command
    }

    /// `ralph run --headless` with a fake Claude Code.
    pub(crate) fn run_claude(&self, claude: &Path, arguments: &[&str]) -> Command {
        let mut command = self.ralph(&["run", "--headless", "--watch-period", "3600", "--claude-bin"]);
        command.arg(claude).args(arguments);
        command
    }

    /// The output and exit code of a command, without paths that differ between runs.
    pub(crate) fn transcript(&self, command: &mut Command) -> String {
        self.describe(&command.output().unwrap())
    }

    pub(crate) fn describe(&self, output: &Output) -> String {
        let code = output
            .status
            .code()
            .map_or_else(|| output.status.to_string(), |code| code.to_string());
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stderr = if stderr.is_empty() {
            String::new()
        } else {
            format!("--- stderr\n{stderr}")
        };
        let canonical = self.directory.path().canonicalize().unwrap();
        format!("{stdout}{stderr}--- exit code {code}\n")
            .replace(canonical.to_str().unwrap(), "[world]")
            .replace(self.directory.path().to_str().unwrap(), "[world]")
    }
}

/// The same command, as the arguments of another program.
pub(crate) fn below(program: impl AsRef<OsStr>, command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    if let Some(directory) = command.get_current_dir() {
        outer.current_dir(directory);
    }
    outer
}

/// Snapshots a transcript without hashes and times.
macro_rules! assert_transcript {
    ($($arguments:tt)+) => {
        insta::with_settings!({
            filters => vec![
                (r"\b[0-9a-f]{40}\b", "[hash]"),
                (r"commit [0-9a-f]{10} ", "commit [hash] "),
                (r"duration_ms\x22:\d+", "duration_ms\":[ms]"),
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", "[time]"),
                (r"\b\d+\.\d s\b", "[seconds]"),
                // Another one in each run.
                (r#","digest":"[0-9a-f]{16}""#, ""),
                // Of no interest where there are none.
                (r#","stats":\{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":\{"in":0,"out":0,"cache_read":0,"cache_write":0\},"cost_usd":0.0\}"#, ""),
            ],
        }, { insta::assert_snapshot!($($arguments)+) })
    };
}
pub(crate) use assert_transcript;

/// Whether a process is there and has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

/// The pids that scripts wrote to a file, one per line.
pub(crate) fn pids(path: &Path) -> Vec<u32> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| line.trim().parse().unwrap()).collect()
}
