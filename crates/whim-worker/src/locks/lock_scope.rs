//! Decides whether a file is locked, and under which name.

use std::path::{Component, Path, PathBuf};

use whim_core::RelativePath;

/// Limit on symbolic links in a path, as in the kernel.
const MAX_LINKS: usize = 40;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LockScope {
    /// Not shared with other work items: outside of the workspace, inside `.git` or the directory of
    /// the run's own files, or a name that [`RelativePath`] does not allow.
    NotLockable,
    Repository(RelativePath),
}

impl LockScope {
    /// Follows symbolic links. `workspace` must be canonical; `path` and `run_directory` are relative to it.
    pub(super) fn of(path: &Path, workspace: &Path, run_directory: &str) -> Self {
        let real = resolve(&workspace.join(path));
        let Ok(inside) = real.strip_prefix(workspace) else {
            return Self::NotLockable;
        };
        if [".git", run_directory].iter().any(|own| inside.starts_with(own)) {
            return Self::NotLockable;
        }
        let name = inside.to_str().and_then(|name| RelativePath::parse(name).ok());
        name.map_or(Self::NotLockable, Self::Repository)
    }
}

/// The absolute path without symbolic links and dots. The file, and directories above it, need not exist.
fn resolve(path: &Path) -> PathBuf {
    let mut real = PathBuf::from("/");
    let mut rest: Vec<_> = path.components().rev().map(owned).collect();
    let mut links = 0;
    while let Some(part) = rest.pop() {
        match part.components().next() {
            Some(Component::RootDir) => real = PathBuf::from("/"),
            Some(Component::ParentDir) => {
                real.pop();
            }
            Some(Component::Normal(name)) => {
                real.push(name);
                if links < MAX_LINKS
                    && let Ok(target) = real.read_link()
                {
                    links += 1;
                    real.pop();
                    rest.extend(target.components().rev().map(owned));
                }
            }
            Some(Component::CurDir | Component::Prefix(_)) | None => {}
        }
    }
    real
}

fn owned(part: Component<'_>) -> PathBuf {
    PathBuf::from(part.as_os_str())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_of_the_repository_are_locked_each_under_one_name() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let workspace = root.join("repository");
        fs::create_dir_all(workspace.join("src")).unwrap();
        symlink("src", workspace.join("link")).unwrap();
        symlink("a.rs", workspace.join("src/same.rs")).unwrap();
        symlink(root.join("elsewhere"), workspace.join("out")).unwrap();
        symlink("loop", workspace.join("loop")).unwrap();
        symlink(&workspace, root.join("in")).unwrap();
        let name = |path: &str| match LockScope::of(Path::new(path), &workspace, ".whim-run") {
            LockScope::Repository(name) => Some(String::from(name)),
            LockScope::NotLockable => None,
        };
        let absolute = |path: &str| format!("{}/{path}", workspace.display());

        for path in [
            "src/a.rs",
            "./src//a.rs",
            "link/a.rs",
            "src/same.rs",
            "new/../src/a.rs",
            "link/../src/a.rs",
            "../repository/src/a.rs",
            &absolute("src/a.rs"),
            &format!("{}/in/src/a.rs", root.display()),
        ] {
            assert_eq!(name(path).as_deref(), Some("src/a.rs"), "{path}");
        }
        assert_eq!(name("new/deep/b.rs").as_deref(), Some("new/deep/b.rs"));
        for path in [".github/workflows/ci.yml", "SPEC.md", ".ai/rules.md"] {
            assert_eq!(name(path).as_deref(), Some(path));
        }
        for path in [
            "/tmp/x",
            "../x",
            "out/x",
            ".git/config",
            "link/../.git/hooks/pre-commit",
            ".whim-run/SPEC.md",
            ".whim-run/stuck.md",
            "src/a\\b",
            ".",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
        // A file behind a link loop cannot be written at all.
        assert_eq!(name("loop/x").as_deref(), Some("loop/x"));
    }
}
