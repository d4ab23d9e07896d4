//! Reading a log while it is written.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use futures::future::ready;
use futures::stream::{self, StreamExt as _};
use tokio_util::bytes::Bytes;
use whim_core::WorkerId;

use super::directory::AttemptDirectory;
use super::log::{self, open_regular, rotated_file};
use crate::lines::last_lines;
use crate::runtime::{LogStream, RuntimeError};

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The largest chunk.
const CHUNK_BYTES: u64 = 64 * 1024;

/// The last `lines` lines within the last `bytes` bytes, then new output until the worker has ended; `None` when there is
/// no such worker.
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
    /// The file being read; `None` before it exists.
    file: Option<File>,
    /// Whether that file was found to be full and renamed, so that nothing is written to it any more.
    rotated: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Bytes(Bytes),
    NothingYet,
    End,
}

impl Follower {
    /// The last `bytes` bytes, and a follower that continues after them.
    fn begin(directory: AttemptDirectory, bytes: u64) -> io::Result<(String, Self)> {
        let (tail, file) = match log::tail_and_file(&directory.log(), bytes)? {
            Some((tail, file)) => (tail, Some(file)),
            None => (String::new(), None),
        };
        let follower = Self {
            directory,
            file,
            rotated: false,
        };
        Ok((tail, follower))
    }

    fn read(&mut self) -> io::Result<Found> {
        loop {
            // Checked before the log is read, so that all output before the end is read.
            let ended = !self.directory.path().exists() || self.directory.exit()?.is_some();
            let path = self.directory.log();
            if let Some(file) = &mut self.file {
                let mut chunk = Vec::new();
                file.take(CHUNK_BYTES).read_to_end(&mut chunk)?;
                if !chunk.is_empty() {
                    return Ok(Found::Bytes(chunk.into()));
                }
                let own = file.metadata()?.ino();
                let current = inode(&path)?;
                if current == Some(own) || (current.is_none() && !ended) {
                    return Ok(if ended { Found::End } else { Found::NothingYet });
                }
                if !self.rotated {
                    // Read first what was written between the last read and the rotation.
                    self.rotated = true;
                    continue;
                }
                self.rotated = false;
                self.file = None;
                if current.is_some() && inode(&rotated_file(&path))? != Some(own) {
                    self.file = Some(open_regular(&path)?);
                    return Ok(Found::Bytes(Bytes::from_static(
                        b"\n[some output is missing here: it was written faster than it was read]\n",
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

fn inode(path: &Path) -> io::Result<Option<u64>> {
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
    fn a_log_is_followed_across_rotations_and_lost_output_is_marked() {
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
