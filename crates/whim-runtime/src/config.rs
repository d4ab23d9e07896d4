//! The settings of the runtimes.

use std::path::PathBuf;
use std::time::Duration;

use whim_containers::DockerConfig;
use whim_service::environment::{Environment, Expected, one_of, path, seconds, text};

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
        let workspaces = env.or_default(
            "WORKSPACES_DIR",
            PathBuf::from(".whim/workspaces"),
            path("a directory, in which each attempt gets one of its own"),
        );
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
        let home = env.optional("HOME", path("a directory, below which toolchains are looked for"));
        let grace = seconds(Duration::from_millis(10)..=Duration::from_mins(10));
        let stop_grace = env.or_default("STOP_GRACE_SECONDS", Duration::from_secs(10), grace);
        Self {
            kind,
            workspaces,
            worker_bin,
            ralph_bin,
            path: path_variable,
            worker_user,
            home,
            stop_grace,
            docker: DockerConfig::read(env),
        }
    }
}

fn runtime_kind() -> Expected<RuntimeKind> {
    one_of(&[
        ("auto", RuntimeKind::Auto),
        ("docker", RuntimeKind::Docker),
        ("process", RuntimeKind::Process),
    ])
}
