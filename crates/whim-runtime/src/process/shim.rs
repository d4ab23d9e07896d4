//! The shim: a small process between the orchestrator and one worker.
//!
//! It outlives the orchestrator, so a restart loses neither the worker nor its exit. It is a subreaper, so it inherits
//! every orphaned descendant of the worker, whatever its session and environment. It writes the worker's output to a
//! bounded log. Where workers run as another user, they cannot signal it. It is the orchestrator's own program with
//! another subcommand.

use std::ffi::OsString;
use std::fs::TryLockError;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use futures::future::ready;
use futures::stream::{self, Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncRead;
use tokio::time::{interval, timeout};
use tokio_util::bytes::Bytes;
use tokio_util::io::ReaderStream;
use whim_service::process::{
    Child, CommandSpec, Deadlines, Orphans, ProcessIdentity, Signal, Terminated, become_subreaper,
};
use whim_service::signal::EndSignals;

use super::directory::AttemptDirectory;
use super::inner::MARKER;
use super::log::BoundedLog;
use crate::exit::{Exit, ExitKind};

/// How long output is read after all processes have ended.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the kernel may take to remove killed processes.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// Orphans that have ended are reaped at this interval while the worker runs.
const REAP_INTERVAL: Duration = Duration::from_secs(30);

/// The existence of the attempt's directory is checked at this interval.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Exit code of `whim-worker` after SIGINT or SIGTERM.
const INTERRUPTED: i32 = 5;
/// Exit code of a shell whose child ended by SIGTERM.
const TERMINATED: i32 = 128 + 15;

/// When a machine is stopped, all processes are signalled at about the same time.
const SHUTDOWN_SIGNAL_TIMEOUT: Duration = Duration::from_secs(1);

/// The command line of the shim.
#[derive(Clone, Debug, clap::Args)]
pub struct ShimArguments {
    /// The directory of the attempt.
    #[arg(long)]
    pub directory: PathBuf,
    /// The user to run the worker as.
    #[arg(long, requires = "group_id")]
    pub user_id: Option<u32>,
    /// The group to run the worker as.
    #[arg(long, requires = "user_id")]
    pub group_id: Option<u32>,
    /// Time between SIGTERM and SIGKILL, in milliseconds.
    #[arg(long)]
    pub grace_milliseconds: u64,
    /// The worker program.
    pub program: PathBuf,
}

/// What the shim reports to the orchestrator, as one line on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ShimReport {
    /// The worker runs.
    Started(ProcessIdentity),
    /// The worker could not be started, and the shim ends.
    Failed(String),
}

/// Supervises one worker until it ends. `environment` becomes the worker's.
///
/// # Errors
/// The worker was not started, or its exit could not be recorded.
pub async fn keep(
    arguments: ShimArguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> anyhow::Result<()> {
    let directory = AttemptDirectory::at(arguments.directory.clone());
    // Ctrl-C and hang-up of a terminal are meant for the orchestrator.
    rustix::process::setsid().context("starting a session")?;
    let lock = directory.lock_file().context("opening the lock of the attempt")?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("the attempt already has a shim"),
        Err(TryLockError::Error(error)) => return Err(error).context("locking the attempt"),
    }
    if directory.exit()?.is_some() {
        bail!("the attempt was ended before its shim started");
    }
    let started = start(&arguments, &directory, environment);
    let (child, signals) = match started {
        Ok(started) => started,
        Err(error) => {
            report(&ShimReport::Failed(format!("{error:#}")))?;
            return Err(error);
        }
    };
    report(&ShimReport::Started(child.identity()))?;
    let grace = Duration::from_millis(arguments.grace_milliseconds);
    let watched = watch(child, signals, &directory, grace).await;
    if let Err(error) = &watched {
        // Standard error is not read. Without a recorded exit, the orchestrator ends what is left.
        log_error(&directory, error)?;
    }
    watched
}

fn start(
    arguments: &ShimArguments,
    directory: &AttemptDirectory,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> anyhow::Result<(Child, EndSignals)> {
    let signals = EndSignals::listen().context("listening for signals")?;
    become_subreaper().context("becoming a subreaper")?;
    // Before the worker exists, so that every worker can be found.
    directory
        .write_shim(ProcessIdentity::of_this_process()?)
        .context("recording the process of the shim")?;
    let worker = directory
        .path()
        .file_name()
        .context("the attempt's directory has no name")?
        .to_string_lossy()
        .into_owned();
    let mut command = CommandSpec::new(&arguments.program)
        .envs(environment)
        .directory(directory.workspace())
        .marker(MARKER, worker)
        .orphans(Orphans::Adopted);
    if let (Some(user_id), Some(group_id)) = (arguments.user_id, arguments.group_id) {
        command = command.user(user_id, group_id);
    }
    Ok((command.spawn()?, signals))
}

async fn watch(
    mut child: Child,
    mut signals: EndSignals,
    directory: &AttemptDirectory,
    grace: Duration,
) -> anyhow::Result<()> {
    let log = BoundedLog::open(directory.log()).context("opening the worker's log")?;
    let output = copy_output(child.take_stdout(), child.take_stderr(), log);
    tokio::pin!(output);
    let all_ended = async {
        let (how, stopped) = match ended_or_to_stop(&mut child, &mut signals, directory).await? {
            EndedBy::Itself(status) => {
                let ended = child.terminate(Deadlines::IMMEDIATE).await;
                check_survivors(&ended.context("ending the descendants of the worker")?)?;
                let stopped = directory.stop_requested();
                if !stopped && was_signalled_too(status, &mut signals).await {
                    (ExitKind::RuntimeStopped, false)
                } else {
                    (exit_kind(status), stopped)
                }
            }
            EndedBy::Shim => {
                let deadlines = Deadlines {
                    interrupt: Duration::ZERO,
                    terminate: grace,
                    kill: KILL_TIMEOUT,
                };
                let ended = child.terminate(deadlines).await.context("ending the worker")?;
                check_survivors(&ended)?;
                if directory.stop_requested() {
                    (ended.status.map_or(ExitKind::Unknown, exit_kind), true)
                } else {
                    (ExitKind::RuntimeStopped, false)
                }
            }
        };
        anyhow::Ok(Exit { how, stopped })
    };
    tokio::pin!(all_ended);
    let exit = tokio::select! {
        exit = &mut all_ended => {
            // The output ends with the last process that holds it; one that hangs in the kernel may hold it for long.
            let _drained = timeout(DRAIN_TIMEOUT, &mut output).await;
            exit
        }
        () = &mut output => all_ended.await,
    }?;
    directory
        .write_exit(exit)
        .context("recording the exit of the worker")?;
    // After the exit, so that the orchestrator does not wait for it. The orchestrator repeats what fails here.
    let workspace = directory.clone();
    tokio::task::spawn_blocking(move || workspace.remove_workspace())
        .await?
        .context("removing the workspace")
}

fn log_error(directory: &AttemptDirectory, error: &anyhow::Error) -> anyhow::Result<()> {
    let line = format!("shim: {error:#}\n");
    BoundedLog::open(directory.log())?.write(line.as_bytes())?;
    Ok(())
}

enum EndedBy {
    Itself(ExitStatus),
    Shim,
}

/// Whether the worker ended by a signal that this process received as well, as all processes do when the machine or
/// the container is stopped.
async fn was_signalled_too(status: ExitStatus, signals: &mut EndSignals) -> bool {
    let by_signal = matches!(status.code(), Some(INTERRUPTED | TERMINATED))
        || status.signal() == Some(Signal::TERM.as_raw());
    by_signal && timeout(SHUTDOWN_SIGNAL_TIMEOUT, signals.next()).await.is_ok()
}

/// Waits until the worker has ended or has to be ended: on a signal, or when the directory of the attempt was removed,
/// so that no orchestrator could find it.
async fn ended_or_to_stop(
    child: &mut Child,
    signals: &mut EndSignals,
    directory: &AttemptDirectory,
) -> anyhow::Result<EndedBy> {
    let mut reap = interval(REAP_INTERVAL);
    let mut check = interval(CHECK_INTERVAL);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(EndedBy::Itself(status.context("waiting for the worker")?)),
            _signal = signals.next() => return Ok(EndedBy::Shim),
            // Listing them reaps those that have ended.
            _tick = reap.tick() => drop(child.members().context("listing the orphans of the worker")?),
            _tick = check.tick() => {
                if directory.is_gone() {
                    return Ok(EndedBy::Shim);
                }
            }
        }
    }
}

fn check_survivors(ended: &Terminated) -> anyhow::Result<()> {
    let survivors = ended.survivors.len();
    ensure!(
        survivors == 0,
        "{survivors} processes of the worker are alive after SIGKILL"
    );
    Ok(())
}

fn exit_kind(status: ExitStatus) -> ExitKind {
    match (status.code(), status.signal()) {
        (Some(code), _) => ExitKind::Code(code),
        (None, Some(signal)) => ExitKind::Signal(signal),
        (None, None) => ExitKind::Unknown,
    }
}

async fn copy_output(
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
    mut log: BoundedLog,
) {
    let mut output = stream::select(chunks_of(stdout), chunks_of(stderr));
    while let Some(chunk) = output.next().await {
        // A full disk must not block the worker: output that cannot be written is lost.
        let _lost = log.write(&chunk);
    }
}

fn chunks_of(source: Option<impl AsyncRead + Unpin>) -> impl Stream<Item = Bytes> + Unpin {
    stream::iter(source)
        .flat_map(ReaderStream::new)
        .filter_map(|chunk| ready(chunk.ok()))
}

fn report(report: &ShimReport) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    // The orchestrator may have ended since; the next one finds the attempt by its directory.
    if let Err(error) = stdout.write_all(&line).and_then(|()| stdout.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error).context("reporting to the orchestrator");
    }
    Ok(())
}
