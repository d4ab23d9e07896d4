//! The environment of child processes: cleared, then filled with what is listed here. It contains no secret.

use std::collections::BTreeMap;
use std::fs::create_dir_all;
use std::io;
use std::path::{Path, PathBuf};

use url::Url;
use whim_core::WorkerId;
use whim_service::environment::{Environment, Expected, path, text};
use whim_service::machine;
use whim_service::process::CommandSpec;

/// Marks every process of an attempt, so that the runtime finds them all.
pub const ATTEMPT_VARIABLE: &str = "WHIM_ATTEMPT";

/// The environment shared by all child processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildEnvironment {
    /// `PATH`.
    search_path: String,
    /// `HOME` of the agent and the tests. Untrusted.
    home: Option<PathBuf>,
    /// `WHIM_ATTEMPT`.
    attempt: Option<String>,
    /// `IS_SANDBOX`: makes Claude Code accept to run as root.
    sandbox: Option<String>,
    machine: BTreeMap<&'static str, String>,
    temporary: PathBuf,
}

impl ChildEnvironment {
    pub(crate) fn read(env: &mut Environment) -> Self {
        let search_path = env.or_default(
            "PATH",
            "/usr/local/bin:/usr/bin:/bin".to_owned(),
            text("a list of directories"),
        );
        let home = env.optional("HOME", path("the home directory of the agent"));
        let attempt = env.optional(ATTEMPT_VARIABLE, text("the marker of this attempt's processes"));
        let sandbox = env.optional("IS_SANDBOX", text("1 if the agent may run as root"));
        let mut machine = BTreeMap::new();
        for name in machine::variables() {
            if let Some(value) = env.optional(name, machine_variable()) {
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

    /// The same with a home and temporary directory below `directory`, for commands that must not find what others left there.
    /// They are created.
    ///
    /// # Errors
    /// A directory cannot be created.
    pub(crate) fn isolated(&self, directory: &Path) -> io::Result<Self> {
        let (home, temporary) = (directory.join("home"), directory.join("tmp"));
        for directory in [&home, &temporary] {
            create_dir_all(directory)?;
        }
        Ok(Self {
            home: Some(home),
            temporary,
            ..self.clone()
        })
    }

    /// The names of the machine's variables that are set.
    pub(crate) fn machine_variables(&self) -> impl Iterator<Item = &'static str> {
        self.machine.keys().copied()
    }

    /// Directories that must exist before a child process starts.
    pub(crate) fn directories(&self) -> impl Iterator<Item = &Path> {
        self.home.as_deref().into_iter().chain([self.temporary.as_path()])
    }

    /// `PATH` of all child processes.
    pub(crate) fn search_path(&self) -> &str {
        &self.search_path
    }

    /// For untrusted commands: the agent and the project's tests.
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

    /// For the worker's own commands: contains nothing that the agent can have changed.
    pub(crate) fn apply_to_trusted(&self, command: CommandSpec) -> CommandSpec {
        let command = command.env("PATH", &self.search_path);
        match &self.attempt {
            Some(attempt) => command.env(ATTEMPT_VARIABLE, attempt),
            None => command,
        }
    }

    /// The passwords in the URLs of proxies, which every child process gets.
    pub(crate) fn proxy_passwords(&self) -> Vec<String> {
        // A proxy may be named without a scheme: `user:password@proxy:3128`.
        let urls = self.machine.values().filter_map(|value| {
            if value.contains("://") {
                Url::parse(value).ok()
            } else {
                Url::parse(&format!("http://{value}")).ok()
            }
        });
        urls.filter_map(|url| {
            let password = url.password()?;
            // As it is written, and as programs use it.
            let decoded = percent_decoded(password);
            Some([password.to_owned(), decoded])
        })
        .flatten()
        .collect()
    }

    /// Certificates and proxies, which the worker's own commands need for network access.
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

/// `%40` is `@`.
fn percent_decoded(text: &str) -> String {
    // A form decoder would take `+` for a space.
    let text = text.replace('+', "%2B");
    let mut pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

/// The value is not logged, because a proxy URL may contain a password.
fn machine_variable() -> Expected<String> {
    Expected::new(
        "any text",
        |raw| Some(raw.to_owned()),
        |_value| "(set)".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_proxies_are_found_as_they_are_written_and_used() {
        let pairs = [
            ("HTTPS_PROXY", "http://user:p%40ss+word@proxy:3128"),
            ("HTTP_PROXY", "http://proxy:3128"),
            ("http_proxy", "user:secretpw@proxy:3128"),
            ("no_proxy", "localhost,.example.com:8080"),
            ("SSL_CERT_FILE", "/etc/ssl/a:b@c.pem"),
            ("LANG", "C.UTF-8"),
        ];
        let env = Environment::from_pairs(pairs).build(|env| Some(ChildEnvironment::read(env)));
        let passwords = env.unwrap().config.proxy_passwords();
        assert_eq!(passwords, ["p%40ss+word", "p@ss+word", "secretpw", "secretpw"]);
    }
}
