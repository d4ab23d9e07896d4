//! Access to files of an untrusted workspace: follows no links, does not block, and limits sizes.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Reads a file below `root`. Returns `None` unless it is a regular file of at most `limit` bytes. Invalid UTF-8 is
/// replaced by U+FFFD.
///
/// # Errors
/// Reading failed, or the path contains a link.
pub(super) fn read(root: &Path, path: &str, limit: usize) -> io::Result<Option<String>> {
    let opened = open_parent(root, path, Missing::Fail).and_then(|(parent, name)| {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(&parent, name, flags, Mode::empty())?)
    });
    let file = match opened {
        Ok(file) => File::from(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut content)?;
    let fits = content.len() <= limit;
    Ok(fits.then(|| String::from_utf8_lossy(&content).into_owned()))
}

/// Writes a file below `root`, and creates its directories.
///
/// # Errors
/// Writing failed, or the path contains a link.
pub(super) fn write(root: &Path, path: &str, content: &str) -> io::Result<()> {
    let (parent, name) = open_parent(root, path, Missing::Create)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&parent, name, flags, Mode::from_raw_mode(0o644))?;
    File::from(file).write_all(content.as_bytes())
}

/// Writes another file and renames it, so that a reader gets the old content or the new one. The directories exist: those of a
/// workspace that is being replaced must not be created too early.
///
/// # Errors
/// Writing failed, a directory is missing, the path contains a link, or there is a directory.
pub(super) fn replace(root: &Path, path: &str, content: &str) -> io::Result<()> {
    let (parent, name) = open_parent(root, path, Missing::Fail)?;
    let new = format!("{name}.new");
    // Whatever is there may belong to an agent.
    match unlinkat(&parent, new.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(&parent, new.as_str(), flags, Mode::from_raw_mode(0o644))?;
    File::from(file).write_all(content.as_bytes())?;
    Ok(renameat(&parent, new.as_str(), &parent, name)?)
}

/// Whether there is a file, directory or link. `false` if the path contains a link.
pub(super) fn exists(root: &Path, path: &str) -> bool {
    open_parent(root, path, Missing::Fail)
        .is_ok_and(|(parent, name)| statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).is_ok())
}

/// What to do if a directory is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fail,
    Create,
}

/// Opens the directories of `path` one by one, so that no part can be a link. Returns the last one and the file name.
fn open_parent<'p>(root: &Path, path: &'p str, missing: Missing) -> io::Result<(OwnedFd, &'p str)> {
    let mut directory = openat(CWD, root, DIRECTORY, Mode::empty())?;
    let mut rest = path;
    while let Some((name, below)) = rest.split_once('/') {
        if missing == Missing::Create {
            match mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        directory = openat(&directory, name, DIRECTORY, Mode::empty())?;
        rest = below;
    }
    Ok((directory, rest))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_written_file_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "a/b/c", "text").unwrap();
        assert_eq!(read(root.path(), "a/b/c", 4).unwrap().as_deref(), Some("text"));
        assert_eq!(read(root.path(), "a/b/c", 3).unwrap(), None);
        assert_eq!(read(root.path(), "a/b/d", 3).unwrap(), None);
        assert_eq!(read(root.path(), "x/y", 3).unwrap(), None);
    }

    #[test]
    fn a_replaced_file_is_another_one_and_its_readers_keep_the_old_content() {
        let root = tempfile::tempdir().unwrap();
        assert!(replace(root.path(), "a/b", "old").is_err());
        fs::create_dir(root.path().join("a")).unwrap();
        replace(root.path(), "a/b", "old").unwrap();
        let mut reader = File::open(root.path().join("a/b")).unwrap();
        symlink("/etc/passwd", root.path().join("a/b.new")).unwrap();

        replace(root.path(), "a/b", "new").unwrap();

        let mut seen = String::new();
        reader.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "old");
        assert_eq!(read(root.path(), "a/b", 4).unwrap().as_deref(), Some("new"));
        assert!(!exists(root.path(), "a/b.new"));
        fs::create_dir(root.path().join("a/directory")).unwrap();
        assert!(replace(root.path(), "a/directory", "new").is_err());
    }

    #[test]
    fn links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("note"), "outside").unwrap();
        symlink(outside.path(), root.path().join("dir")).unwrap();
        symlink(outside.path().join("note"), root.path().join("file")).unwrap();

        for path in ["dir/note", "file"] {
            assert!(read(root.path(), path, 100).is_err(), "{path} was read");
            assert!(write(root.path(), path, "changed").is_err(), "{path} was written");
        }
        assert!(replace(root.path(), "dir/note", "changed").is_err());
        // The link itself is replaced.
        replace(root.path(), "file", "changed").unwrap();
        assert_eq!(
            fs::read_to_string(outside.path().join("note")).unwrap(),
            "outside"
        );
    }

    #[test]
    fn a_pipe_does_not_block() {
        let root = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(
            CWD,
            root.path().join("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(read(root.path(), "pipe", 100).unwrap(), None);
    }
}
