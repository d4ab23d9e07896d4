//! Starts Whim's programs, each with a cleared environment and its own log file.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};
use whim_testkit::wait::wait_until;

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const LOG_LINES_SHOWN: usize = 30;

/// The path of a program, which must have been built to the same target directory.
///
/// # Errors
/// The program does not exist.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program")?;
    let directories = own
        .parent()
        .into_iter()
        .chain(own.parent().and_then(Path::parent));
    for directory in directories {
        let candidate = directory.join(name);
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!("the program {name} is not built: run `cargo build --workspace --bins`")
}

/// A running program.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    pid: Pid,
    log: PathBuf,
}

impl Program {
    /// Starts a program and waits for its ready file, whose content is returned.
    ///
    /// # Errors
    /// The program cannot be started, exits, or does not become ready. The error contains the last lines of its log.
    pub async fn start(
        name: &'static str,
        directory: &Path,
        environment: &[(String, OsString)],
    ) -> anyhow::Result<(Self, Value)> {
        let ready_file = directory.join(format!("{name}.ready"));
        if ready_file.exists() {
            std::fs::remove_file(&ready_file).context("removing an old ready file")?;
        }
        let log = directory.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .context("opening a log file")?;
        let child = Command::new(program(name)?)
            .arg("--ready-file")
            .arg(&ready_file)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("sharing a log file")?)
            .stderr(output)
            // Ctrl-C must only interrupt the demo, which stops its programs in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = child
            .id()
            .and_then(|pid| Pid::from_raw(pid.cast_signed()))
            .context("the program has no pid")?;
        let mut program = Self {
            name,
            child,
            pid,
            log,
        };
        let ready = wait_until(&format!("{name} to become ready"), START_TIMEOUT, async || {
            if let Ok(Some(status)) = program.child.try_wait() {
                return Ok(Err(status));
            }
            let content = std::fs::read(&ready_file).map_err(|_| "no ready file yet".to_owned())?;
            serde_json::from_slice(&content)
                .map(Ok)
                .map_err(|error| error.to_string())
        })
        .await;
        match ready {
            Ok(Ok(ready)) => Ok((program, ready)),
            Ok(Err(status)) => bail!(
                "{name} exited during its start ({status}):\n{}",
                program.log_tail()
            ),
            Err(error) => Err(error.context(program.log_tail())),
        }
    }

    /// Sends SIGKILL.
    ///
    /// # Errors
    /// Waiting for it failed.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child
            .kill()
            .await
            .with_context(|| format!("killing {}", self.name))
    }

    /// Sends SIGTERM and waits until it exits.
    ///
    /// # Errors
    /// It does not exit in time.
    pub async fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        tokio::time::timeout(STOP_TIMEOUT, self.child.wait())
            .await
            .with_context(|| format!("{} does not exit:\n{}", self.name, self.log_tail()))?
            .with_context(|| format!("waiting for {}", self.name))
    }

    /// # Errors
    /// It has exited.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(self.pid, signal).with_context(|| format!("sending {signal:?} to {}", self.name))
    }

    pub fn has_exited(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"));
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}
