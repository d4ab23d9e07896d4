//! The shim: a small process between the orchestrator and one worker.
//!
//! It outlives the orchestrator, so that a restart loses neither the worker nor the way it ended; it is a subreaper, so
//! that whatever the worker starts falls to it, in whatever session and with whatever environment; it writes down what
//! the worker prints; and where workers run as another user, it is out of their reach. It is this same program with
//! another command.

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
    Child, CommandSpec, Deadlines, Orphans, ProcessIdentity, Terminated, become_subreaper,
};
use whim_service::signal::EndSignals;

use super::directory::AttemptDirectory;
use super::inner::MARKER;
use super::log::BoundedLog;
use crate::exit::{Exit, ExitKind};

/// How long the output is read on after everything that could write to it has ended.
const DRAIN: Duration = Duration::from_secs(1);

/// How long the kernel may take to remove what was killed.
const KILL: Duration = Duration::from_secs(5);

/// How often orphans of the worker that ended are reaped while it runs.
const REAP_EVERY: Duration = Duration::from_secs(30);

/// How often is looked whether the directory of the attempt is still there.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What the shim is told on its command line.
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
    /// How long a worker that is told to stop may take, in milliseconds.
    #[arg(long)]
    pub grace_milliseconds: u64,
    /// The worker program.
    pub program: PathBuf,
}

/// What the shim tells the orchestrator, as one line on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ShimReport {
    /// The worker runs.
    Started(ProcessIdentity),
    /// It does not, and the shim is gone.
    Failed(String),
}

/// Keeps one worker until it ends. `environment` becomes the worker's.
///
/// # Errors
/// The worker was not started, or its end could not be written down.
pub async fn keep(
    arguments: ShimArguments,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> anyhow::Result<()> {
    let directory = AttemptDirectory::at(arguments.directory.clone());
    // A terminal's Ctrl-C and hang-up are meant for the orchestrator.
    rustix::process::setsid().context("starting a session")?;
    let lock = directory.lock_file().context("opening the lock of the attempt")?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => bail!("the attempt has a shim already"),
        Err(TryLockError::Error(error)) => return Err(error).context("locking the attempt"),
    }
    if directory.exit()?.is_some() {
        bail!("the attempt was ended before its shim started");
    }
    let started = start(&arguments, &directory, environment);
    let (child, signals) = match started {
        Ok(started) => started,
        Err(error) => {
            tell(&ShimReport::Failed(format!("{error:#}")))?;
            return Err(error);
        }
    };
    tell(&ShimReport::Started(child.identity()))?;
    let grace = Duration::from_millis(arguments.grace_milliseconds);
    let watched = watch(child, signals, &directory, grace).await;
    if let Err(error) = &watched {
        // Nobody reads this process' standard error; without an end written down, the orchestrator clears up.
        BoundedLog::open(directory.log())?.write(format!("shim: {error:#}\n").as_bytes())?;
    }
    watched
}

fn start(
    arguments: &ShimArguments,
    directory: &AttemptDirectory,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> anyhow::Result<(Child, EndSignals)> {
    let signals = EndSignals::listen().context("listening for signals")?;
    become_subreaper().context("becoming the one that inherits orphans")?;
    // Before the worker exists, so that no worker is without somebody who can find it.
    directory
        .write_shim(ProcessIdentity::of_this_process()?)
        .context("writing down which process the shim is")?;
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
    let output = write_down(child.take_stdout(), child.take_stderr(), log);
    tokio::pin!(output);
    let all_ended = async {
        let ended_by = ended_or_to_stop(&mut child, &mut signals, directory).await?;
        let (status, stopped) = match ended_by {
            EndedBy::Itself(status) => {
                let ended = child.terminate(Deadlines::IMMEDIATE).await;
                check_survivors(&ended.context("ending what the worker left behind")?)?;
                (Some(status), directory.stop_requested())
            }
            EndedBy::Us => {
                let deadlines = Deadlines {
                    interrupt: Duration::ZERO,
                    terminate: grace,
                    kill: KILL,
                };
                let ended = child.terminate(deadlines).await.context("ending the worker")?;
                check_survivors(&ended)?;
                (ended.status, true)
            }
        };
        anyhow::Ok(Exit {
            how: status.map_or(ExitKind::Unknown, exit_kind),
            stopped,
        })
    };
    tokio::pin!(all_ended);
    let exit = tokio::select! {
        exit = &mut all_ended => {
            // The output ends with the last process that could write to it; one that hangs in the kernel may hold it.
            let _drained = timeout(DRAIN, &mut output).await;
            exit
        }
        () = &mut output => all_ended.await,
    }?;
    directory
        .write_exit(exit)
        .context("writing down how the worker ended")
}

enum EndedBy {
    Itself(ExitStatus),
    Us,
}

/// Waits until the worker has ended, or has to: because the shim is told so, or because its directory is gone, so that
/// no orchestrator would ever find the attempt and nobody could work there any more.
async fn ended_or_to_stop(
    child: &mut Child,
    signals: &mut EndSignals,
    directory: &AttemptDirectory,
) -> anyhow::Result<EndedBy> {
    let mut reap = interval(REAP_EVERY);
    let mut look = interval(POLL_INTERVAL);
    loop {
        tokio::select! {
            status = child.wait() => return Ok(EndedBy::Itself(status.context("waiting for the worker")?)),
            _signal = signals.next() => return Ok(EndedBy::Us),
            // Orphans that ended are reaped on the way: an agent may make many in its hours.
            _tick = reap.tick() => drop(child.members().context("looking for orphans of the worker")?),
            _tick = look.tick() => {
                if directory.is_gone() {
                    return Ok(EndedBy::Us);
                }
            }
        }
    }
}

fn check_survivors(ended: &Terminated) -> anyhow::Result<()> {
    let survivors = ended.survivors.len();
    ensure!(
        survivors == 0,
        "{survivors} processes of the worker live in spite of SIGKILL"
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

async fn write_down(
    stdout: Option<impl AsyncRead + Unpin>,
    stderr: Option<impl AsyncRead + Unpin>,
    mut log: BoundedLog,
) {
    let mut output = stream::select(chunks_of(stdout), chunks_of(stderr));
    while let Some(chunk) = output.next().await {
        // A full disk must not block the worker, whose output is nice to have: what cannot be written is lost.
        let _lost = log.write(&chunk);
    }
}

fn chunks_of(source: Option<impl AsyncRead + Unpin>) -> impl Stream<Item = Bytes> + Unpin {
    stream::iter(source)
        .flat_map(ReaderStream::new)
        .filter_map(|chunk| ready(chunk.ok()))
}

fn tell(report: &ShimReport) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    // The orchestrator may have died since it started this process; the next one finds the attempt by its directory.
    if let Err(error) = stdout.write_all(&line).and_then(|()| stdout.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error).context("telling the orchestrator");
    }
    Ok(())
}
