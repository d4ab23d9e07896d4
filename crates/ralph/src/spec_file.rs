//! SPEC.md on disk. An agent may have removed it, or replaced it with a link, a directory or a huge file.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use ralph_contract::{MAX_SPEC_BYTES, SpecDocument, files};
use rustix::fs::{Mode, OFlags};

/// Why a file of the workspace cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is not an ordinary file", .path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is larger than {limit} bytes", .path.display())]
    TooLarge { path: PathBuf, limit: usize },
    #[error("{} is not UTF-8", .path.display())]
    NotUtf8 { path: PathBuf },
}

/// Reads a file of the workspace; `None` if it does not exist.
///
/// Links are not followed: they may point to a file that this process can read and the agent cannot.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<Option<String>, FileError> {
    let path_buf = || path.to_owned();
    let read_error = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    // Non-blocking, because opening a named pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
            return Err(FileError::NotAFile { path: path_buf() });
        }
        Err(errno) => return Err(read_error(errno.into())),
    };
    if !file.metadata().map_err(read_error)?.is_file() {
        return Err(FileError::NotAFile { path: path_buf() });
    }
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(read_error)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge {
            path: path_buf(),
            limit,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| FileError::NotUtf8 { path: path_buf() })?;
    Ok(Some(text))
}

/// Writes a file atomically. Replaces a link instead of following it.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    let write = || {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory)?;
        let mut file = tempfile::Builder::new()
            .prefix(".spec-")
            // The usual mode: that of a temporary file is for its owner only.
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// The SPEC.md of a run.
#[derive(Debug)]
pub(crate) struct SpecFile {
    directory: PathBuf,
    path: PathBuf,
    /// As it was given.
    shown: String,
}

impl SpecFile {
    /// The file that was named; otherwise `SPEC.md`, or `.ai/SPEC.md` if only that one exists.
    pub(crate) fn locate(directory: &Path, named: Option<&str>) -> Self {
        let shown = match named {
            Some(named) => named,
            None if exists(&directory.join(files::SPEC)) || !exists(&directory.join(files::SPEC_IN_AI)) => {
                files::SPEC
            }
            None => files::SPEC_IN_AI,
        };
        Self {
            directory: directory.to_owned(),
            path: directory.join(shown),
            shown: shown.to_owned(),
        }
    }

    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Its path relative to the directory, if it is inside.
    pub(crate) fn inside_directory(&self) -> Option<&str> {
        let inside = self.path.strip_prefix(&self.directory).ok()?;
        let leads_out = inside
            .components()
            .any(|component| component == Component::ParentDir);
        inside.to_str().filter(|_| !leads_out)
    }

    /// Whether a file exists there, a dangling link included.
    pub(crate) fn exists(&self) -> bool {
        exists(&self.path)
    }

    /// Its text, or `None` if it does not exist.
    pub(crate) fn read(&self) -> Result<Option<String>, FileError> {
        read_text(&self.path, MAX_SPEC_BYTES)
    }

    /// Its text after an agent may have changed it. `None` for anything but a text file within the size limit, which counts as
    /// missing.
    pub(crate) fn read_leniently(&self) -> Option<String> {
        self.read().ok().flatten()
    }

    /// Writes the document, replacing whatever is there.
    pub(crate) fn write(&self, document: &SpecDocument) -> Result<(), FileError> {
        write_text(&self.path, document.as_str())
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_a_directory_a_pipe_and_a_large_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(path("secret"), path("link")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path("pipe"),
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        for name in ["link", "directory", "pipe"] {
            assert!(
                matches!(read_text(&path(name), 10), Err(FileError::NotAFile { .. })),
                "{name}"
            );
        }
        assert!(matches!(
            read_text(&path("secret"), 5),
            Err(FileError::TooLarge { .. })
        ));
        assert_eq!(read_text(&path("secret"), 6).unwrap().as_deref(), Some("secret"));
        assert_eq!(read_text(&path("missing"), 6).unwrap(), None);
    }

    #[test]
    fn writing_replaces_a_link_and_not_what_it_points_to() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs::write(&target, "untouched").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_text(&link, "text").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
        assert_eq!(read_text(&link, 10).unwrap().as_deref(), Some("text"));
    }
}
