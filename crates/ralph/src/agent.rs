//! Which agent to start and how; shared by `run` and `spec`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use semver::Version;

use crate::environment::Environment;
use crate::harness::{Harness, VersionRequirement};
use crate::process::answer;
use crate::text::shortened;

/// How long a program may take to print its version.
const VERSION_LIMIT: Duration = Duration::from_secs(60);

/// How long an agent may take for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Without output; must be longer than any tool call.
    pub(crate) idle: Duration,
    /// To exit by itself after its result.
    pub(crate) result_grace: Duration,
    /// To exit after SIGINT, and again after SIGTERM.
    pub(crate) signal_grace: Duration,
}

pub(crate) struct AgentOptions {
    pub(crate) harness: Box<dyn Harness>,
    /// As requested by the caller.
    pub(crate) model: Option<String>,
    pub(crate) environment: Environment,
    /// The working directory; canonical.
    pub(crate) directory: PathBuf,
    pub(crate) limits: Limits,
}

impl AgentOptions {
    /// Checks that the harness's program is installed and recent enough.
    pub(crate) async fn check_version(&self) -> anyhow::Result<()> {
        let Some(requirement) = self.harness.version_requirement() else {
            return Ok(());
        };
        let VersionRequirement {
            name,
            command,
            minimum,
            advice,
        } = &requirement;
        let answer = answer(command, &self.environment, &self.directory, "", VERSION_LIMIT).await;
        let answer = answer.with_context(|| format!("asking {name} for its version ({advice})"))?;
        let printed = String::from_utf8_lossy(&answer.stdout);
        let version = printed
            .split_whitespace()
            .next()
            .and_then(|word| Version::parse(word).ok());
        match version {
            Some(version) if version >= *minimum => Ok(()),
            Some(version) => bail!("{name} {version} is too old: at least {minimum} is needed; {advice}"),
            None => {
                let program = command.program.to_string_lossy();
                let printed = [printed.trim(), &answer.stderr].join(" ");
                let printed = shortened(printed.trim(), 200);
                bail!("`{program}` does not print a version of {name}, but: {printed}; {advice}")
            }
        }
    }
}
