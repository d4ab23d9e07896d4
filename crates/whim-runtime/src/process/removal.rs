//! Removal of directory trees whose permissions forbid it, such as the module cache of Go.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const OWNER_ALL: u32 = 0o700;

/// Removes a tree, making its directories writable where necessary. A missing tree is a success.
///
/// No process that could change the tree may be alive: permissions are changed by path.
pub(super) fn remove_tree(root: &Path) -> io::Result<()> {
    match remove(root) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(root)?;
            remove(root)
        }
        result => result,
    }
}

fn remove(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Makes all directories of a tree readable and writable for their owner, without following links.
fn make_writable(root: &Path) -> io::Result<()> {
    let mut directories: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        fs::set_permissions(&directory, Permissions::from_mode(OWNER_ALL))?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn read_only_directories_become_writable_and_links_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("tree/pkg/mod/example.org@v1.0.0/internal")).unwrap();
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("tree/pkg/mod/example.org@v1.0.0/go.mod"), "module").unwrap();
        symlink(at("elsewhere"), at("tree/pkg/mod/link")).unwrap();
        for (name, mode) in [
            ("tree/pkg/mod/example.org@v1.0.0/internal", 0o000),
            ("tree/pkg/mod/example.org@v1.0.0", 0o555),
            ("tree/pkg/mod", 0o500),
            ("elsewhere", 0o555),
        ] {
            set_mode(&at(name), mode);
        }

        // Root may remove them as they are.
        make_writable(&at("tree")).unwrap();

        let mode = |name: &str| at(name).metadata().unwrap().permissions().mode() & 0o777;
        for name in [
            "tree/pkg/mod",
            "tree/pkg/mod/example.org@v1.0.0",
            "tree/pkg/mod/example.org@v1.0.0/internal",
        ] {
            assert_eq!(mode(name), 0o700, "{name}");
        }
        assert_eq!(mode("elsewhere"), 0o555);
        remove_tree(&at("tree")).unwrap();
        assert!(!at("tree").exists());
        remove_tree(&at("tree")).unwrap();
    }
}
