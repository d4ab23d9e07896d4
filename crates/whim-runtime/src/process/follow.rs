//! A log that is read while it is written.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use futures::future::ready;
use futures::stream::{self, StreamExt as _};
use tokio_util::bytes::Bytes;
use whim_core::WorkerId;

use super::directory::AttemptDirectory;
use super::log::{self, full_file, open_regular};
use crate::lines::last_lines;
use crate::runtime::{LogStream, RuntimeError};

/// How often is looked whether there is more.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The largest piece.
const PIECE_BYTES: u64 = 64 * 1024;

/// The last `lines` lines within the last `bytes` bytes, and what comes after them until the worker has ended; `None`
/// when there is no such worker.
pub(super) async fn follow(
    worker: WorkerId,
    directory: AttemptDirectory,
    lines: usize,
    bytes: u64,
) -> Result<Option<LogStream>, RuntimeError> {
    if !directory.path().exists() {
        return Ok(None);
    }
    let failed = move |error| RuntimeError::new(format!("following the log of the worker {worker}"), error);
    let (tail, follower) = blocking(move || Follower::begin(directory, bytes))
        .await
        .map_err(failed)?;
    let tail = Bytes::from(last_lines(&tail, lines).to_owned());
    let rest = stream::try_unfold(follower, move |mut follower| async move {
        loop {
            let read = blocking(move || Ok((follower.read()?, follower))).await;
            let (found, same) = read.map_err(failed)?;
            follower = same;
            match found {
                Found::Bytes(bytes) => return Ok(Some((bytes, follower))),
                Found::NothingYet => tokio::time::sleep(POLL_INTERVAL).await,
                Found::End => return Ok(None),
            }
        }
    });
    Ok(Some(stream::once(ready(Ok(tail))).chain(rest).boxed()))
}

async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    Ok(tokio::task::spawn_blocking(read).await??)
}

#[derive(Debug)]
struct Follower {
    directory: AttemptDirectory,
    /// The file that is read; `None` before there is one.
    file: Option<File>,
    /// Whether that file was seen to be full: nobody writes to it any more.
    turned_over: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Bytes(Bytes),
    NothingYet,
    End,
}

impl Follower {
    /// The last `bytes` bytes, and what follows them.
    fn begin(directory: AttemptDirectory, bytes: u64) -> io::Result<(String, Self)> {
        let (tail, file) = match log::tail_and_file(&directory.log(), bytes)? {
            Some((tail, file)) => (tail, Some(file)),
            None => (String::new(), None),
        };
        let follower = Self {
            directory,
            file,
            turned_over: false,
        };
        Ok((tail, follower))
    }

    fn read(&mut self) -> io::Result<Found> {
        loop {
            // Looked at before the log is, so that what was printed before the end is read after it.
            let ended = !self.directory.path().exists() || self.directory.exit()?.is_some();
            let path = self.directory.log();
            if let Some(file) = &mut self.file {
                let mut piece = Vec::new();
                file.take(PIECE_BYTES).read_to_end(&mut piece)?;
                if !piece.is_empty() {
                    return Ok(Found::Bytes(piece.into()));
                }
                let own = file.metadata()?.ino();
                let current = inode(&path)?;
                if current == Some(own) || (current.is_none() && !ended) {
                    return Ok(if ended { Found::End } else { Found::NothingYet });
                }
                if !self.turned_over {
                    // What was written between the last look and the turn is read first.
                    self.turned_over = true;
                    continue;
                }
                self.turned_over = false;
                self.file = None;
                if current.is_some() && inode(&full_file(&path))? != Some(own) {
                    self.file = Some(open_regular(&path)?);
                    return Ok(Found::Bytes(Bytes::from_static(
                        b"\n[some output is missing here: it came faster than it was read]\n",
                    )));
                }
            }
            match open_regular(&path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Ok(if ended { Found::End } else { Found::NothingYet });
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn inode(path: &std::path::Path) -> io::Result<Option<u64>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::log::BoundedLog;

    fn text(found: Found) -> String {
        match found {
            Found::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Found::NothingYet => "nothing yet".to_owned(),
            Found::End => "the end".to_owned(),
        }
    }

    #[test]
    fn a_log_is_followed_over_full_files_and_what_was_overwritten_is_said_to_be_missing() {
        let root = tempfile::tempdir().unwrap();
        let directory = AttemptDirectory::at(root.path().to_owned());
        let (tail, mut follower) =
            Follower::begin(AttemptDirectory::at(root.path().to_owned()), 100).unwrap();
        assert_eq!(tail, "");
        assert_eq!(follower.read().unwrap(), Found::NothingYet);

        let mut log = BoundedLog::with_limit(directory.log(), 10).unwrap();
        let mut write = |text: &str| log.write(text.as_bytes()).unwrap();
        write("one ");
        assert_eq!(text(follower.read().unwrap()), "one ");
        assert_eq!(follower.read().unwrap(), Found::NothingYet);
        write("two ");
        write("three ");
        assert_eq!(text(follower.read().unwrap()), "two ");
        assert_eq!(text(follower.read().unwrap()), "three ");
        for part in ["four ", "five ", "six ", "seven "] {
            write(part);
        }
        assert!(text(follower.read().unwrap()).contains("missing here"));
        assert_eq!(text(follower.read().unwrap()), "six seven ".trim_start());

        drop(log);
        let exit = crate::exit::Exit {
            how: crate::exit::ExitKind::Code(0),
            stopped: false,
        };
        directory.write_exit(exit).unwrap();
        assert_eq!(follower.read().unwrap(), Found::End);
    }
}
