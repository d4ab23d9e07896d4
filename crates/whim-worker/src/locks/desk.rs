//! Where the agent's hook asks: a unix socket in a directory of its own.
//!
//! The agent runs as the worker's own user in every runtime, so that a directory of that user alone is open to it and to
//! nobody else. Nothing but a lock of a file in the workspace can be asked for here, and no secret is in any answer.

use std::convert::Infallible;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::place::Place;
use super::{Answer, Keeper, MAX_LINE_BYTES, Question, SOCKET};

/// So many hooks are heard at once; the others wait in the socket's queue.
const MOST_AT_ONCE: usize = 32;
/// How long a question may take to be written, and its answer to be read.
const LINE: Duration = Duration::from_secs(5);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The desk could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("opening a socket in {}", .directory.display())]
pub struct DeskError {
    directory: PathBuf,
    source: io::Error,
}

/// An open desk. It closes when it is dropped.
#[derive(Debug)]
pub struct Desk {
    listener: UnixListener,
}

/// What a question is answered with.
#[derive(Clone, Debug)]
struct Office {
    keeper: Keeper,
    workspace: PathBuf,
    checklist: &'static str,
}

impl Desk {
    /// Makes the directory and the socket in it.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn open(directory: &Path) -> Result<Self, DeskError> {
        let open = || {
            DirBuilder::new().mode(0o700).create(directory)?;
            let handle = File::open(directory)?;
            // The name of a socket has at most 107 bytes, and directories may be deep.
            let short = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
            UnixListener::bind(short.join(SOCKET))
        };
        let listener = open().map_err(|source| DeskError {
            directory: directory.to_owned(),
            source,
        })?;
        Ok(Self { listener })
    }

    /// Answers questions until the call is dropped. `workspace` is canonical; `checklist` is relative to it.
    pub async fn serve(&self, keeper: &Keeper, workspace: &Path, checklist: &'static str) -> Infallible {
        let office = Office {
            keeper: keeper.clone(),
            workspace: workspace.to_owned(),
            checklist,
        };
        let mut visits = JoinSet::new();
        loop {
            tokio::select! {
                visitor = self.listener.accept(), if visits.len() < MOST_AT_ONCE => match visitor {
                    Ok((connection, _)) => {
                        let office = office.clone();
                        visits.spawn(async move { office.hear(connection).await });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a hook cannot be heard");
                        sleep(ACCEPT_AGAIN).await;
                    }
                },
                Some(visit) = visits.join_next() => {
                    if let Ok(Err(error)) = visit {
                        tracing::debug!(%error, "a hook went away without its answer");
                    }
                }
            }
        }
    }
}

impl Office {
    async fn hear(&self, mut connection: UnixStream) -> io::Result<()> {
        let (reader, mut writer) = connection.split();
        let mut reader = BufReader::new(reader.take(MAX_LINE_BYTES));
        let mut line = Vec::new();
        timeout(LINE, reader.read_until(b'\n', &mut line)).await??;
        let question: Question = serde_json::from_slice(&line)?;
        let answer = tokio::select! {
            answer = self.answer(&question) => answer,
            // Whoever was ended does not want the file any more.
            _ = reader.read_u8() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        timeout(LINE, writer.write_all(&line)).await?
    }

    async fn answer(&self, question: &Question) -> Answer {
        match Place::of(Path::new(&question.path), &self.workspace, self.checklist) {
            Place::NobodyElses => Answer::GoAhead,
            Place::Repository(file) => self.keeper.ask(&file).await,
        }
    }
}
