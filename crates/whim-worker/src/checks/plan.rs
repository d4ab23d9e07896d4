//! What is to be run: commands, checks, and the plan of a repository.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::shell::SHELL;
use crate::policy::{CheckName, CheckPolicy, Policy, ShellCommand};

/// The checks of a repository, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Run once in each checkout, before its checks.
    pub setup: Vec<Step>,
    pub checks: Vec<Check>,
}

/// A command that decides whether the project is as it should be, and the commands that prepare it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Unique in a plan.
    pub name: String,
    /// Run before the test, in order.
    pub preparation: Vec<Step>,
    pub test: Step,
    /// Relative to the root of the repository; empty for the root.
    pub directory: PathBuf,
    /// Exit codes other than 0 that count as success.
    pub success_codes: &'static [i32],
    /// Programs that the commands start in turn.
    pub tools: &'static [&'static str],
    /// Whether the test itself downloads packages, so that it can fail because a registry is unreachable.
    pub downloads: bool,
    /// Limit of each command, if it is lower than the operator's.
    pub timeout: Option<Duration>,
    /// Whether the change is delivered only if the check passes.
    pub required: bool,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// Additional environment variables.
    pub environment: Vec<(OsString, OsString)>,
    /// Whether the next command runs even if this one fails.
    pub may_fail: bool,
    /// For commands of a policy, which are shown as they are written.
    shell_command: Option<String>,
}

/// As typed in a shell, without quoting.
impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(command) = &self.shell_command {
            return formatter.write_str(command);
        }
        let program = match self.program.parent() {
            Some(parent) if parent.is_absolute() => self.program.file_name().unwrap_or_default(),
            Some(_) | None => self.program.as_os_str(),
        };
        formatter.write_str(&program.to_string_lossy())?;
        for argument in &self.arguments {
            let path = Path::new(argument);
            let shown = if path.is_absolute() {
                path.file_name().unwrap_or_default()
            } else {
                argument
            };
            write!(formatter, " {}", shown.to_string_lossy())?;
        }
        Ok(())
    }
}

impl Step {
    pub(super) fn new<const N: usize>(program: impl Into<PathBuf>, arguments: [&str; N]) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.map(OsString::from).into(),
            environment: Vec::new(),
            may_fail: false,
            shell_command: None,
        }
    }

    /// A command of a policy.
    pub fn shell(command: &ShellCommand) -> Self {
        Self {
            shell_command: Some(command.as_str().to_owned()),
            ..Self::new(SHELL, ["-c", command.as_str()])
        }
    }

    pub(super) fn args<Argument: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub(super) fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// The shell command of a policy.
    pub(super) fn shell_command(&self) -> Option<&str> {
        self.shell_command.as_deref()
    }
}

impl Check {
    /// A required check of the whole repository.
    pub(super) fn new(name: &str, test: Step) -> Self {
        Self {
            name: name.to_owned(),
            preparation: Vec::new(),
            test,
            directory: PathBuf::new(),
            success_codes: &[],
            tools: &[],
            downloads: false,
            timeout: None,
            required: true,
        }
    }

    pub(super) fn prepared_by(mut self, step: Step) -> Self {
        self.preparation.push(step);
        self
    }

    pub(super) fn needs(mut self, tools: &'static [&'static str]) -> Self {
        self.tools = tools;
        self
    }

    pub(super) fn downloads(mut self) -> Self {
        self.downloads = true;
        self
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.preparation.iter().chain([&self.test])
    }

    fn of_policy((name, check): (&CheckName, &CheckPolicy)) -> Self {
        let directory = check.directory.as_ref();
        Self {
            directory: directory.map_or_else(PathBuf::new, |directory| directory.as_str().into()),
            timeout: check.timeout.map(|timeout| timeout.duration()),
            required: check.required,
            downloads: true,
            ..Self::new(name.as_str(), Step::shell(&check.run))
        }
    }
}

impl Plan {
    /// The plan of a policy. `detect` is called if it names no checks.
    ///
    /// # Errors
    /// Those of `detect`.
    pub fn new<E>(policy: &Policy, detect: impl FnOnce() -> Result<Vec<Check>, E>) -> Result<Self, E> {
        let checks = match &policy.checks {
            Some(checks) => checks.iter().map(Check::of_policy).collect(),
            None => detect()?,
        };
        Ok(Self {
            setup: policy.setup.iter().map(Step::shell).collect(),
            checks,
        })
    }

    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}
