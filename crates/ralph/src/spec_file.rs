//! SPEC.md on disk. The agent may have done anything to it: removed it, made it a link, a directory or a gigabyte.

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

/// Reads a file of the workspace; `None` where there is none.
///
/// Links are not followed: what the agent points to may be anything that we can read and it cannot.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<Option<String>, FileError> {
    let path_buf = || path.to_owned();
    let read_error = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    // Without blocking, because opening a named pipe would wait for a writer.
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

/// Writes a file in one step, so that nobody ever reads half of it; replaces a link instead of following it.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), FileError> {
    let write = || {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory)?;
        let mut file = tempfile::Builder::new()
            .prefix(".spec-")
            // The mode of any other file: a temporary one is for its owner alone.
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
    /// As it was given, which is how the agent finds it, too.
    shown: String,
}

impl SpecFile {
    /// The file that was named, else `SPEC.md`, else `.ai/SPEC.md` where only that one is there.
    pub(crate) fn locate(directory: &Path, named: Option<&str>) -> Self {
        let shown = match named {
            Some(named) => named,
            None if is_there(&directory.join(files::SPEC))
                || !is_there(&directory.join(files::SPEC_IN_AI)) =>
            {
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

    /// Its path relative to the directory, where it is below that.
    pub(crate) fn inside_directory(&self) -> Option<&str> {
        let inside = self.path.strip_prefix(&self.directory).ok()?;
        let leads_out = inside
            .components()
            .any(|component| component == Component::ParentDir);
        inside.to_str().filter(|_| !leads_out)
    }

    /// Whether anything is there, if only a link to nowhere.
    pub(crate) fn exists(&self) -> bool {
        is_there(&self.path)
    }

    /// Its text, or `None` where there is no such file.
    pub(crate) fn read(&self) -> Result<Option<String>, FileError> {
        read_text(&self.path, MAX_SPEC_BYTES)
    }

    /// Its text after an agent had its hands on it: `None` for whatever is no text file of a sensible size, which
    /// counts as gone.
    pub(crate) fn read_leniently(&self) -> Option<String> {
        self.read().ok().flatten()
    }

    /// Writes the document in the place of whatever is there.
    pub(crate) fn write(&self, document: &SpecDocument) -> Result<(), FileError> {
        write_text(&self.path, document.as_str())
    }
}

fn is_there(path: &Path) -> bool {
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
