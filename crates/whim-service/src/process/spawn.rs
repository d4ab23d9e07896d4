//! Spawning a child.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use process_tree::{Deadlines, Marker, Orphans, ProcessIdentity, Signal, Tree};
use tokio::process::{ChildStderr, ChildStdout, Command};

/// A command, without a shell: arguments are passed as they are.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    directory: Option<PathBuf>,
    marker: Option<Marker>,
    orphans: Orphans,
    user: Option<(u32, u32)>,
}

impl CommandSpec {
    /// A program by path, or by name in the `PATH` **of the command's own environment**.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            directory: None,
            marker: None,
            orphans: Orphans::default(),
            user: None,
        }
    }

    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub fn args<Argument: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = Argument>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds one environment variable. Nothing is inherited from this process.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    #[must_use]
    pub fn envs<Name: Into<OsString>, Value: Into<OsString>>(
        mut self,
        variables: impl IntoIterator<Item = (Name, Value)>,
    ) -> Self {
        self.environment.extend(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
        self
    }

    /// The working directory; that of this process by default.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// An environment variable by which the command's descendants are recognised, by this process and by a later one.
    #[must_use]
    pub fn marker(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.marker = Some(Marker {
            name: name.into(),
            value: value.into(),
        });
        self
    }

    /// What happens to orphans; [`Orphans::Recognised`] by default.
    #[must_use]
    pub fn orphans(mut self, orphans: Orphans) -> Self {
        self.orphans = orphans;
        self
    }

    /// Runs it as another user and group. Requires root.
    #[must_use]
    pub fn user(mut self, user_id: u32, group_id: u32) -> Self {
        self.user = Some((user_id, group_id));
        self
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(OsString::as_os_str)
    }

    /// Starts it, with pipes for standard output and standard error.
    ///
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The program does not exist or cannot be executed, or the machine lacks a resource.
    pub fn spawn(&self) -> Result<Child, SpawnError> {
        let failed = |source| SpawnError {
            program: self.program.clone(),
            source,
        };
        let marker = self.marker.clone().unwrap_or_else(Marker::unique);
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .env(&marker.name, &marker.value)
            // A tool may wait for input forever if its standard input is a terminal or a pipe.
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some((user_id, group_id)) = self.user {
            command.uid(user_id).gid(group_id);
        }
        let spawn = || {
            let process = command.spawn()?;
            // Missing only after the child was reaped.
            let pid = process
                .id()
                .ok_or_else(|| io::Error::other("it has no process id"))?;
            Ok((process, pid))
        };
        let (process, tree) = Tree::start(marker, self.orphans, spawn).map_err(failed)?;
        Ok(Child { process, tree })
    }
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("starting {}", .program.display())]
pub struct SpawnError {
    /// The program as it was given.
    pub program: PathBuf,
    source: io::Error,
}

impl SpawnError {
    /// Whether the program does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// How a child and its descendants were terminated.
#[derive(Debug)]
pub struct Terminated {
    /// The child's own exit status; `None` if it is alive in spite of KILL.
    pub status: Option<ExitStatus>,
    /// The last signal that was sent; `None` if no process was alive.
    pub last_signal: Option<Signal>,
    /// Processes that are alive in spite of KILL.
    pub survivors: Vec<ProcessIdentity>,
}

/// A running child. Dropping it kills it and every descendant that can be found.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    tree: Tree,
}

impl Child {
    /// For adoption by a later process.
    pub fn identity(&self) -> ProcessIdentity {
        self.tree.root()
    }

    /// Its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Its standard error, once.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.process.stderr.take()
    }

    /// Waits for the child itself; descendants may still run, see [`Self::terminate`]. Cancel-safe, and may be repeated.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait().await?;
        self.tree.root_was_reaped();
        Ok(status)
    }

    /// The living processes of this command, the child included.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn members(&mut self) -> io::Result<Vec<ProcessIdentity>> {
        self.tree.members()
    }

    /// Terminates the child and every descendant: INT, TERM, KILL, as far as necessary. After the child exited by itself,
    /// terminates the descendants that it left.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub async fn terminate(&mut self, deadlines: Deadlines) -> io::Result<Terminated> {
        let process = &mut self.process;
        let reap_root = || process.try_wait().map(drop);
        let termination = self.tree.terminate(deadlines, reap_root).await?;
        let status = self.process.try_wait()?;
        if status.is_some() {
            self.tree.root_was_reaped();
        }
        Ok(Terminated {
            status,
            last_signal: termination.last_signal,
            survivors: termination.survivors,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Err(error) = self.tree.kill() {
            let pid = self.identity().pid;
            tracing::error!(pid, %error, "cannot find the descendants of a dropped child");
        }
    }
}
