//! The project whose kinds are detected. Access to its untrusted files does not block, and sizes are limited.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::super::tools::{Tools, is_executable};

const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// Limits of the search for test files.
const MAX_DEPTH: u32 = 5;
const MAX_ENTRIES: u32 = 20_000;

pub(super) struct Project<'p> {
    pub(super) files: Files<'p>,
    /// For packages and build results.
    pub(super) state: &'p Path,
    pub(super) tools: &'p Tools,
}

pub(super) struct Files<'p> {
    root: &'p Path,
}

impl<'p> Files<'p> {
    pub(super) fn new(root: &'p Path) -> Self {
        Self { root }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    pub(super) fn has_any(&self, paths: &[&str]) -> bool {
        paths.iter().any(|path| self.has(path))
    }

    pub(super) fn has_directory(&self, path: &str) -> bool {
        self.root.join(path).is_dir()
    }

    /// Returns `None` unless it is a regular file of at most `MAX_FILE_BYTES`. Invalid UTF-8 is replaced by U+FFFD.
    pub(super) fn read(&self, path: &str) -> io::Result<Option<String>> {
        let path = self.root.join(path);
        // Checked before opening, because opening a pipe blocks.
        if !path.is_file() {
            return Ok(None);
        }
        let mut content = Vec::new();
        File::open(path)?
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut content)?;
        let fits = content.len() as u64 <= MAX_FILE_BYTES;
        Ok(fits.then(|| String::from_utf8_lossy(&content).into_owned()))
    }

    /// Whether a file has a line that begins with `prefix`, apart from indentation.
    pub(super) fn has_line(&self, path: &str, prefix: &str) -> io::Result<bool> {
        Ok(self
            .read(path)?
            .is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with(prefix))))
    }

    /// Names of the entries of a directory, sorted; none if it is missing.
    pub(super) fn names(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = entries(&self.root.join(directory))?
            .into_iter()
            .map(|path| {
                path.file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// Whether a file below `directory` has a name that `is_wanted`. Links are not followed, and neither hidden
    /// directories nor installed packages are searched.
    pub(super) fn contains(&self, directory: &str, is_wanted: fn(&str) -> bool) -> io::Result<bool> {
        let mut left = MAX_ENTRIES;
        search(&self.root.join(directory), is_wanted, MAX_DEPTH, &mut left)
    }

    /// The project's wrapper script of a tool, which pins the version of the tool: directly, or through `sh` if its
    /// execute permission is missing.
    pub(super) fn wrapper(&self, name: &str) -> Option<Wrapper> {
        if !self.has(name) {
            return None;
        }
        let path = self.root.join(name);
        Some(if is_executable(&path) {
            Wrapper::Executable(path)
        } else {
            Wrapper::ForShell(path)
        })
    }
}

pub(super) enum Wrapper {
    Executable(PathBuf),
    ForShell(PathBuf),
}

fn entries(directory: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn search(directory: &Path, is_wanted: fn(&str) -> bool, depth: u32, left: &mut u32) -> io::Result<bool> {
    let mut below = Vec::new();
    for path in entries(directory)? {
        if *left == 0 {
            return Ok(false);
        }
        *left -= 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_file() && is_wanted(&name) {
            return Ok(true);
        }
        let is_searched = !name.starts_with('.') && !matches!(&*name, "node_modules" | "vendor" | "venv");
        if kind.is_dir() && is_searched && depth > 0 {
            below.push(path);
        }
    }
    for directory in below {
        if search(&directory, is_wanted, depth - 1, left)? {
            return Ok(true);
        }
    }
    Ok(false)
}
