//! The environment of child processes: cleared, then only what is named here, and no secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use whim_core::WorkerId;
use whim_service::environment::{Environment, Expected, path, text};
use whim_service::machine;
use whim_service::process::CommandSpec;

/// Marks every process of an attempt, so that the runtime finds them all, wherever they went.
pub const ATTEMPT_VARIABLE: &str = "WHIM_ATTEMPT";

/// What every child process needs to find its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// `PATH`.
    search_path: String,
    /// `HOME`: of the agent and the tests, as hostile as they are.
    home: Option<PathBuf>,
    /// `WHIM_ATTEMPT`.
    attempt: Option<String>,
    /// Whether the agent may run as root (`IS_SANDBOX`), as Claude Code wants to be told.
    sandbox: Option<String>,
    machine: BTreeMap<&'static str, String>,
    temporary: PathBuf,
}

impl Surroundings {
    pub(crate) fn read(env: &mut Environment) -> Self {
        let search_path = env.or_default(
            "PATH",
            "/usr/local/bin:/usr/bin:/bin".to_owned(),
            text("a list of directories"),
        );
        let home = env.optional("HOME", path("the home directory of the agent"));
        let attempt = env.optional(ATTEMPT_VARIABLE, text("the marker of this attempt's processes"));
        let sandbox = env.optional("IS_SANDBOX", text("1 where the agent may run as root"));
        let mut machine = BTreeMap::new();
        for name in machine::variables() {
            if let Some(value) = env.optional(name, of_the_machine()) {
                machine.insert(name, value);
            }
        }
        Self {
            search_path,
            home,
            attempt,
            sandbox,
            machine,
            temporary: PathBuf::new(),
        }
    }

    pub(crate) fn for_attempt(mut self, worker: WorkerId, directory: &Path) -> Self {
        self.attempt.get_or_insert_with(|| worker.to_string());
        self.home.get_or_insert_with(|| directory.join("home"));
        self.temporary = directory.join("tmp");
        self
    }

    /// The names of the variables of the machine that are set.
    pub(crate) fn machine_variables(&self) -> impl Iterator<Item = &'static str> {
        self.machine.keys().copied()
    }

    /// The directories that have to exist before a child process starts.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.home.as_deref().into_iter().chain([self.temporary.as_path()])
    }

    /// Where temporary files belong.
    pub(crate) fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Gives a command of the agent's side its environment: the agent itself, the project's tests.
    pub(crate) fn apply(&self, command: CommandSpec) -> CommandSpec {
        let command = self
            .apply_to_trusted(command)
            .envs(&self.machine)
            .env("TMPDIR", &self.temporary);
        let command = match &self.sandbox {
            Some(sandbox) => command.env("IS_SANDBOX", sandbox),
            None => command,
        };
        match &self.home {
            Some(home) => command.env("HOME", home),
            None => command,
        }
    }

    /// Gives a command of the worker's own side its environment: it gets nothing that the agent could have changed.
    pub(crate) fn apply_to_trusted(&self, command: CommandSpec) -> CommandSpec {
        let command = command.env("PATH", &self.search_path);
        match &self.attempt {
            Some(attempt) => command.env(ATTEMPT_VARIABLE, attempt),
            None => command,
        }
    }

    /// Certificates and proxies: what a command of the worker's own side needs to reach the outside.
    pub(crate) fn network(&self) -> impl Iterator<Item = (&'static str, &str)> {
        const NETWORK: [&str; 9] = [
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "GIT_SSL_CAINFO",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "NO_PROXY",
            "http_proxy",
            "https_proxy",
            "no_proxy",
        ];
        self.machine
            .iter()
            .filter(|(name, _)| NETWORK.contains(name))
            .map(|(name, value)| (*name, value.as_str()))
    }
}

/// Proxies may have a password.
fn of_the_machine() -> Expected<String> {
    Expected::new(
        "any text",
        |raw| Some(raw.to_owned()),
        |_value| "(set)".to_owned(),
    )
}
