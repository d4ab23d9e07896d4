//! The log of one worker: bounded, however much the worker prints (`FAULTS.md`, row 43).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// Of the file that is written to; one full file is kept beside it.
const MAX_FILE_BYTES: u64 = 10 * 1024 * 1024;

/// Appends to a file and turns it over when it is full.
#[derive(Debug)]
pub(super) struct BoundedLog {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl BoundedLog {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        Self::with_limit(path, MAX_FILE_BYTES)
    }

    pub(super) fn with_limit(path: PathBuf, limit: u64) -> io::Result<Self> {
        let file = append_to(&path)?;
        let written = file.metadata()?.len();
        Ok(Self {
            path,
            file,
            written,
            limit,
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written > 0 && self.written + bytes.len() as u64 > self.limit {
            fs::rename(&self.path, full_file(&self.path))?;
            self.file = append_to(&self.path)?;
            self.written = 0;
        }
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// The last `bytes` bytes of a log; `None` when there is none.
pub(super) fn tail(path: &Path, bytes: u64) -> io::Result<Option<String>> {
    Ok(tail_and_file(path, bytes)?.map(|(tail, _file)| tail))
}

/// The same, with the file that is written to at the place where they end.
pub(super) fn tail_and_file(path: &Path, bytes: u64) -> io::Result<Option<(String, File)>> {
    let Some((newer, file)) = tail_of_file(path, bytes)? else {
        return Ok(None);
    };
    let missing = bytes - newer.len() as u64;
    let older = tail_of_file(&full_file(path), missing)?;
    let mut text = older.map(|(older, _file)| older).unwrap_or_default();
    text.extend(newer);
    Ok(Some((String::from_utf8_lossy(&text).into_owned(), file)))
}

fn tail_of_file(path: &Path, bytes: u64) -> io::Result<Option<(Vec<u8>, File)>> {
    let mut file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut content = Vec::new();
    (&mut file).take(bytes).read_to_end(&mut content)?;
    Ok(Some((content, file)))
}

/// Opens a log for reading. A worker that runs as the same user can put anything in the place of its log or of its
/// directory: a link to a file that only we can read, or a pipe that never answers (`ATTACKS.md`, row 37).
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags | OFlags::DIRECTORY, Mode::empty())?;
    let file = rustix::fs::openat(directory, name, flags | OFlags::NONBLOCK, Mode::empty())?;
    let file = File::from(file);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the log is no file"));
    }
    Ok(file)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

pub(super) fn full_file(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_flood_fills_two_files_and_no_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker.log");
        let mut log = BoundedLog::with_limit(path, 100).unwrap();

        for _ in 0..50 {
            log.write(b"thirty bytes of a chatty agent").unwrap();
        }

        let mut sizes: Vec<u64> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [60, 90]);
    }

    // ATTACKS.md, row 37.
    #[test]
    fn what_was_put_in_the_place_of_a_log_is_neither_followed_nor_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("attempt")).unwrap();
        fs::create_dir(at("elsewhere")).unwrap();
        for name in ["secret", "elsewhere/worker.log"] {
            fs::write(at(name), "a secret").unwrap();
        }
        let log = at("attempt/worker.log");

        symlink(at("secret"), &log).unwrap();
        tail(&log, 9).unwrap_err();
        BoundedLog::open(log.clone()).unwrap_err();
        fs::remove_file(&log).unwrap();

        rustix::fs::mknodat(rustix::fs::CWD, &log, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        tail(&log, 9).unwrap_err();
        fs::remove_file(&log).unwrap();

        fs::create_dir(&log).unwrap();
        tail(&log, 9).unwrap_err();
        fs::remove_dir(&log).unwrap();

        fs::write(&log, "lines").unwrap();
        symlink(at("secret"), at("attempt/worker.log.1")).unwrap();
        tail(&log, 9).unwrap_err();

        symlink(at("elsewhere"), at("swapped")).unwrap();
        tail(&at("swapped/worker.log"), 9).unwrap_err();
    }

    #[test]
    fn the_tail_reaches_over_to_the_full_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worker.log");
        let mut log = BoundedLog::with_limit(path.clone(), 8).unwrap();
        for part in ["first-", "second-", "third"] {
            log.write(part.as_bytes()).unwrap();
        }

        assert_eq!(tail(&path, 9).unwrap().as_deref(), Some("ond-third"));
        assert_eq!(tail(&path, 3).unwrap().as_deref(), Some("ird"));
        assert_eq!(tail(&directory.path().join("none.log"), 9).unwrap(), None);
    }
}
