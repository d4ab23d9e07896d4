//! Where a program is.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The program that a setting names, else the one called `name` beside this program, else the first on `path`. Gives
/// back what the setting says even when nothing is there, so that the error names it.
pub(super) fn find(setting: Option<&Path>, name: &str, path: &str) -> Option<PathBuf> {
    match setting {
        Some(named) if named.components().count() > 1 => Some(named.to_owned()),
        Some(named) => Some(on_path(named, path).unwrap_or_else(|| named.to_owned())),
        None => beside(name).or_else(|| on_path(Path::new(name), path)),
    }
}

fn beside(name: &str) -> Option<PathBuf> {
    let this_program = std::env::current_exe().ok()?;
    Some(this_program.with_file_name(name)).filter(|candidate| is_executable(candidate))
}

fn on_path(name: &Path, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
}

pub(super) fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
