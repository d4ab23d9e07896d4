//! Server processes that exit with the test, even if it is killed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, bail};
use rand::RngExt as _;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A user to run a program as. Only root can become another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The signal that stops a server, sent on drop and by the kernel when this process exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndSignal {
    Kill,
    Quit,
}

impl EndSignal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Quit => "QUIT",
        }
    }

    fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Quit => Signal::QUIT,
        }
    }
}

/// `program`, run as `user` with a cleared environment and no input, and ended by `end_signal` with its parent.
pub(crate) fn bound_command(program: &Path, user: Option<User>, end_signal: EndSignal) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(User { uid, gid }) = user {
        command.args([
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".to_owned(),
        ]);
    }
    command
        .arg(format!("--pdeathsig={}", end_signal.name()))
        .arg("--")
        .arg(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
    command.stdin(Stdio::null());
    command
}

/// A running server; stopped before its drop returns.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    handle: OwnedFd,
    end_signal: EndSignal,
    exit: Arc<OnceLock<io::Result<ExitStatus>>>,
    /// The kernel ties the parent-death signal to the thread that forked, so a thread of its own stays with the child:
    /// a runtime's or a test's threads may end earlier than the process.
    keeper: Option<JoinHandle<()>>,
}

impl ServerProcess {
    /// Starts `command` (see [`bound_command`]); `end_signal` is what ends it.
    pub(crate) fn start(mut command: Command, end_signal: EndSignal) -> anyhow::Result<Self> {
        let exit = Arc::new(OnceLock::new());
        let (sender, receiver) = mpsc::sync_channel(1);
        let exit_seen = Arc::clone(&exit);
        let program = format!("{command:?}");
        let keeper = thread::Builder::new()
            .name("server-keeper".to_owned())
            .spawn(move || {
                let mut child = match command.spawn() {
                    Ok(child) => child,
                    Err(error) => return drop(sender.send(Err(error))),
                };
                let pid = Pid::from_child(&child);
                // Signals use this handle: unlike a process id, it is never reused.
                drop(sender.send(pidfd_open(pid, PidfdFlags::empty()).map_err(io::Error::from)));
                drop(exit_seen.set(child.wait()));
            })?;
        let handle = receiver
            .recv()
            .context("wait for the server's thread")?
            .with_context(|| format!("start {program}"))?;
        Ok(Self {
            handle,
            end_signal,
            exit,
            keeper: Some(keeper),
        })
    }

    /// The exit status, if it has exited.
    pub(crate) fn exited(&self) -> Option<String> {
        self.exit.get().map(|exit| match exit {
            Ok(status) => status.to_string(),
            Err(error) => format!("unknown: {error}"),
        })
    }

    fn end(&mut self) {
        if let Err(error) = pidfd_send_signal(&self.handle, self.end_signal.signal())
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, "a server of the tests could not be signalled");
        }
        if self.keeper.take().is_some_and(|keeper| keeper.join().is_err()) {
            tracing::warn!("the thread that kept a server panicked");
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// A free loopback port below the ephemeral range, so that it stays free while a server restarts.
///
/// # Errors
/// When a hundred ports in a row are taken.
pub fn free_port() -> anyhow::Result<u16> {
    free_port_of(Ipv4Addr::LOCALHOST.into())
}

/// The same of another address of this machine.
///
/// # Errors
/// When a hundred ports in a row are taken.
pub fn free_port_of(address: IpAddr) -> anyhow::Result<u16> {
    let mut random = rand::rng();
    for _attempt in 0..100 {
        let port = random.random_range(20_000..32_000);
        if TcpListener::bind((address, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("find a free port between 20000 and 32000: 100 were in use")
}
