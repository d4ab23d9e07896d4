//! The settings of the runtimes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use whim_containers::{Bytes, DockerConfig, bytes};
use whim_service::environment::{Environment, Expected, one_of, path, seconds, text};

const MIN_FREE: Bytes = Bytes(2 << 30);

/// How workers are started.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// `WORKER_RUNTIME`.
    pub kind: RuntimeKind,
    /// `WORKSPACES_DIR`: one directory for each attempt of the `process` runtime, and this instance's name and lock.
    pub workspaces: PathBuf,
    /// `WORKER_BIN`; `whim-worker` beside this program, else on `PATH`, when not set.
    pub worker_bin: Option<PathBuf>,
    /// `RALPH_BIN`; `ralph` beside this program, else on `PATH`, when not set.
    pub ralph_bin: Option<PathBuf>,
    /// `PATH` of the workers of the `process` runtime.
    pub path: String,
    /// `WORKER_USER`: the user that workers run as; requires root.
    pub worker_user: Option<String>,
    /// The agent's program as a path or a name on `path`; `None` when the harness needs none. Not a setting of its own:
    /// the orchestrator derives it from the harness and `CLAUDE_BIN`.
    pub agent_program: Option<String>,
    /// `WORKSPACES_MIN_FREE`, in bytes: below this much free space, ended attempts are removed before their time.
    pub min_free_bytes: u64,
    /// `HOME`: toolchains below it are made visible to workers, which have home directories of their own.
    pub home: Option<PathBuf>,
    /// `STOP_GRACE_SECONDS`: time between SIGTERM and SIGKILL.
    pub stop_grace: Duration,
    /// Settings of the `docker` runtime.
    pub docker: DockerConfig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// `Docker` where a container engine answers, else `Process`.
    Auto,
    /// A container for each worker.
    Docker,
    /// Processes of this machine, without isolation.
    Process,
}

impl RuntimeConfig {
    /// Reads every setting of the runtimes. Wrong values are collected by `env`.
    pub fn read(env: &mut Environment) -> Self {
        let kind = env.or_default("WORKER_RUNTIME", RuntimeKind::Auto, runtime_kind());
        let home = env.optional(
            "HOME",
            path("a directory, below which state is kept and toolchains are found"),
        );
        let state_home = env.optional(
            "XDG_STATE_HOME",
            path("a directory for state; when not set, .local/state below HOME"),
        );
        let workspaces = env.optional(
            "WORKSPACES_DIR",
            path(
                "a directory outside any checkout, in which each attempt gets one of its own; when not set, \
                 whim/workspaces below XDG_STATE_HOME",
            ),
        );
        let workspaces = workspaces.unwrap_or_else(|| default_workspaces(state_home, home.as_deref()));
        let Bytes(min_free_bytes) = env.or_default("WORKSPACES_MIN_FREE", MIN_FREE, bytes("disk space", 0));
        let worker_bin = env.optional(
            "WORKER_BIN",
            path("the worker program; when not set, whim-worker beside this program, else on PATH"),
        );
        let ralph_bin = env.optional(
            "RALPH_BIN",
            path("the program ralph; when not set, beside this program, else on PATH"),
        );
        let path_variable = env.or_default(
            "PATH",
            "/usr/local/bin:/usr/bin:/bin".to_owned(),
            text("a list of directories"),
        );
        let worker_user = env.optional(
            "WORKER_USER",
            text("the name of a user to run workers as, which takes root"),
        );
        let grace = seconds(Duration::from_millis(10)..=Duration::from_mins(10));
        let stop_grace = env.or_default("STOP_GRACE_SECONDS", Duration::from_secs(10), grace);
        Self {
            kind,
            workspaces,
            worker_bin,
            ralph_bin,
            path: path_variable,
            worker_user,
            agent_program: None,
            min_free_bytes,
            home,
            stop_grace,
            docker: DockerConfig::read(env),
        }
    }
}

/// Where the XDG base directory specification wants state.
fn default_workspaces(state_home: Option<PathBuf>, home: Option<&Path>) -> PathBuf {
    let state_home = state_home
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| home.join(".local/state")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"));
    state_home.join("whim/workspaces")
}

fn runtime_kind() -> Expected<RuntimeKind> {
    one_of(&[
        ("auto", RuntimeKind::Auto),
        ("docker", RuntimeKind::Docker),
        ("process", RuntimeKind::Process),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> RuntimeConfig {
        Environment::from_pairs(settings.iter().copied())
            .build(|env| Some(RuntimeConfig::read(env)))
            .unwrap()
            .config
    }

    #[test]
    fn workspaces_default_to_the_state_directory_of_the_user() {
        let workspaces = |settings: &[(&str, &str)]| read(settings).workspaces;
        let home = ("HOME", "/home/me");

        assert_eq!(
            workspaces(&[home]),
            Path::new("/home/me/.local/state/whim/workspaces")
        );
        assert_eq!(
            workspaces(&[home, ("XDG_STATE_HOME", "/state")]),
            Path::new("/state/whim/workspaces")
        );
        // Relative paths are invalid there.
        assert_eq!(
            workspaces(&[home, ("XDG_STATE_HOME", "state")]),
            Path::new("/home/me/.local/state/whim/workspaces")
        );
        assert_eq!(workspaces(&[]), Path::new("/var/lib/whim/workspaces"));
        assert_eq!(workspaces(&[home, ("WORKSPACES_DIR", "/w")]), Path::new("/w"));
    }

    #[test]
    fn the_least_free_space_is_two_gigabytes_unless_it_is_set() {
        assert_eq!(read(&[]).min_free_bytes, 2 * 1024 * 1024 * 1024);
        assert_eq!(
            read(&[("WORKSPACES_MIN_FREE", "512m")]).min_free_bytes,
            512 * 1024 * 1024
        );
    }
}
