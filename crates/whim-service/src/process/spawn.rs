//! Starting a child.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use tokio::process::{ChildStderr, ChildStdout, Command};

use super::end::{Deadlines, Ended, end_tree};
use super::identity::ProcessIdentity;
use super::tree::{CHILDREN, Tree, forget_child};

/// Marks the descendants of a command that was not given a marker.
const DEFAULT_MARKER: &str = "PROCESS_TREE";

static NEXT_TREE: AtomicU64 = AtomicU64::new(0);

/// What happens to orphans that fell to this process and cannot be recognised as anybody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They are left alone: something else may have started them.
    #[default]
    Recognised,
    /// They count as this command's. Right where this process is a subreaper, starts children only through this module,
    /// and runs no other command that may have orphans at the same time.
    Adopted,
}

/// A command, without a shell: arguments are passed as they are.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    directory: Option<PathBuf>,
    marker: Option<(String, String)>,
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

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<Argument: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = Argument>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds one environment variable; there are no others than those added.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// Adds environment variables.
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

    /// Where it runs; this process' own directory when not given.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// An environment variable by which the command's descendants are recognised, in this process and in a later one.
    #[must_use]
    pub fn marker(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.marker = Some((name.into(), value.into()));
        self
    }

    /// What happens to orphans; [`Orphans::Recognised`] when not given.
    #[must_use]
    pub fn orphans(mut self, orphans: Orphans) -> Self {
        self.orphans = orphans;
        self
    }

    /// Runs it as another user and group, which takes root.
    #[must_use]
    pub fn user(mut self, user_id: u32, group_id: u32) -> Self {
        self.user = Some((user_id, group_id));
        self
    }

    /// The program as it was given.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(OsString::as_os_str)
    }

    /// Starts it. Standard output and standard error are pipes, to be taken and read.
    ///
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The program is not there, cannot be executed, or the machine is out of something.
    pub fn spawn(&self) -> Result<Child, SpawnError> {
        let failed = |source| SpawnError {
            program: self.program.clone(),
            source,
        };
        let marker = self.marker.clone().unwrap_or_else(new_marker);
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.environment)
            .env(&marker.0, &marker.1)
            // A tool that finds a terminal or a pipe on its standard input may wait for it for ever.
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
        let mut children = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
        let process = command.spawn().map_err(failed)?;
        // It cannot be gone: nobody has waited for it yet.
        let pid = process
            .id()
            .ok_or_else(|| failed(io::Error::other("it has no process id")))?;
        let identity = ProcessIdentity::of(pid)
            .and_then(|identity| identity.ok_or_else(|| io::Error::other("it is missing in /proc")))
            .map_err(failed)?;
        children.insert(identity);
        Ok(Child {
            process,
            identity,
            tree: Tree::new(identity, marker, self.orphans),
            reaped: false,
        })
    }
}

fn new_marker() -> (String, String) {
    let number = NEXT_TREE.fetch_add(1, Ordering::Relaxed);
    let started = ProcessIdentity::of_this_process().map_or(0, |identity| identity.start_ticks);
    (
        DEFAULT_MARKER.to_owned(),
        format!("{}-{started}-{number}", std::process::id()),
    )
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
    /// Whether there is no such program.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// A running child. Dropping it kills it and every descendant that can be found.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    identity: ProcessIdentity,
    tree: Tree,
    reaped: bool,
}

impl Child {
    /// Its pid and start time, for adoption by a later process.
    pub fn identity(&self) -> ProcessIdentity {
        self.identity
    }

    /// Its standard output, once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Its standard error, once.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.process.stderr.take()
    }

    /// Waits for the child itself; descendants may go on, see [`Self::end`]. Cancel-safe, and may be called again.
    ///
    /// # Errors
    /// The kernel refused.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait().await?;
        if !self.reaped {
            self.reaped = true;
            forget_child(self.identity);
        }
        Ok(status)
    }

    /// The living processes of this command, the child included.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn members(&mut self) -> io::Result<Vec<ProcessIdentity>> {
        self.tree.members()
    }

    /// Ends the child and every descendant: INT, TERM, KILL, as far as each deadline makes it necessary. Also right
    /// after the child ended by itself: then it ends what the child left behind.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub async fn end(&mut self, deadlines: Deadlines) -> io::Result<Ended> {
        let (last_signal, survivors) = end_tree(&mut self.process, &mut self.tree, deadlines).await?;
        let status = self.process.try_wait()?;
        if status.is_some() && !self.reaped {
            self.reaped = true;
            forget_child(self.identity);
        }
        Ok(Ended {
            status,
            last_signal,
            survivors,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let members = match self.tree.members() {
            Ok(members) => members,
            Err(error) => {
                tracing::error!(pid = self.identity.pid, %error, "cannot look for the descendants of a dropped child");
                return;
            }
        };
        for member in members {
            if let Err(error) = member.signal(Signal::KILL) {
                tracing::error!(pid = member.pid, %error, "cannot kill a descendant of a dropped child");
            }
        }
    }
}
