//! The Postgres programs, the user that runs them, and an initialised data directory to copy.

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::process::geteuid;
use tempfile::TempDir;

use super::version;
use crate::process::{EndSignal, User, bound_command};
use crate::tools;

/// The superuser of the servers.
pub(super) const ROLE: &str = "whim";

/// The programs of Postgres, runnable by an unprivileged user.
#[derive(Debug, Clone)]
pub(super) struct Installation {
    pub(super) bin: PathBuf,
    /// Postgres refuses to run as root.
    pub(super) user: Option<User>,
    /// A data directory fresh from `initdb`; a copy takes milliseconds, `initdb` a second.
    template: PathBuf,
    cache: PathBuf,
}

impl Installation {
    /// Finds Postgres, copies it if its user cannot read the checkout, and runs `initdb` once per machine.
    pub(super) fn prepare() -> anyhow::Result<Self> {
        let mut bin = tools::postgres_bin()?;
        let cache = cache_directory()?;
        let user = if geteuid().is_root() {
            Some(unprivileged_user()?)
        } else {
            None
        };
        // Tests start at the same time, each in a process of its own.
        let lock = File::create(cache.join("lock")).context("create the cache's lock")?;
        lock.lock().context("lock the cache")?;
        let postgres = bin.join("postgres");
        let metadata = postgres
            .metadata()
            .with_context(|| format!("read {}", postgres.display()))?;
        let mut hasher = DefaultHasher::new();
        (&bin, metadata.len(), metadata.mtime(), user).hash(&mut hasher);
        let key = format!("{:016x}", hasher.finish());
        if user.is_some() && !everyone_can_run(&postgres)? {
            bin = copy_to_cache(&bin, &cache.join(format!("postgres-{key}")))?;
        }
        let template = cache.join(format!("template-{key}"));
        if !template.exists() {
            initialise(&bin, user, &cache, &template)?;
        }
        remove_leftovers(&cache.join("servers"))?;
        Ok(Self {
            bin,
            user,
            template,
            cache,
        })
    }

    /// A directory with a copy of the template in `data`, removed when it is dropped; below `place` where one is given.
    pub(super) fn new_data_directory(&self, place: Option<&Path>) -> anyhow::Result<TempDir> {
        // The process id in the name shows the owner of an orphaned directory.
        let directory = tempfile::Builder::new()
            .prefix(&format!("{}-", std::process::id()))
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in(place.map_or_else(|| self.cache.join("servers"), Path::to_owned))
            .context("create a directory for Postgres")?;
        copy(&self.template, &directory.path().join("data"))?;
        Ok(directory)
    }
}

fn cache_directory() -> anyhow::Result<PathBuf> {
    let directory = PathBuf::from(format!("/var/tmp/whim-testkit-{}", geteuid().as_raw()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&directory)
        .with_context(|| format!("create {}", directory.display()))?;
    // The directory is world-writable, and programs are run from it.
    let metadata = directory.symlink_metadata()?;
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        bail!(
            "{} must be a directory that only its owner, this user, can write to",
            directory.display()
        );
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory.join("servers"))?;
    Ok(directory)
}

/// The user `postgres` of the distribution, or else an unprivileged one: `initdb` requires a user with a name.
fn unprivileged_user() -> anyhow::Result<User> {
    let users = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let find = |wanted: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (name == wanted).then_some(User { uid, gid })
        })
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .context("find the user postgres or nobody in /etc/passwd")
}

fn everyone_can_run(program: &Path) -> anyhow::Result<bool> {
    let program = program.canonicalize()?;
    for path in program.ancestors() {
        if path.metadata()?.mode() & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Copies the installation that `bin` belongs to, and gives back the copy's `bin`.
fn copy_to_cache(bin: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    let installation = bin
        .parent()
        .with_context(|| format!("{} has no parent directory", bin.display()))?;
    let name = bin
        .file_name()
        .with_context(|| format!("{} has no name", bin.display()))?;
    if !target.exists() {
        let unfinished = target.with_extension("unfinished");
        remove_if_there(&unfinished)?;
        copy(&installation.canonicalize()?, &unfinished)?;
        fs::rename(&unfinished, target).context("put the copy of Postgres in place")?;
    }
    Ok(target.join(name))
}

fn initialise(bin: &Path, user: Option<User>, cache: &Path, template: &Path) -> anyhow::Result<()> {
    let version = Command::new(bin.join("postgres"))
        .arg("--version")
        .env_clear()
        .output()?;
    version::check(&String::from_utf8_lossy(&version.stdout))?;
    let parent = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(cache)?;
    if let Some(User { uid, gid }) = user {
        chown(parent.path(), Some(uid), Some(gid))?;
    }
    let data = parent.path().join("data");
    let output = bound_command(&bin.join("initdb"), user, EndSignal::Kill)
        .arg("-D")
        .arg(&data)
        .args([
            "-U",
            ROLE,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
        ])
        .output()
        .context("run initdb")?;
    if !output.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    // Renaming makes it appear whole or not at all.
    fs::rename(&data, template).context("put the initialised data directory in place")
}

/// Removes the directories of processes that were killed before they could.
fn remove_leftovers(servers: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(servers)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.split('-').next()) else {
            continue;
        };
        if !Path::new("/proc").join(pid).exists() {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Copies a directory with its owners and modes, sharing the blocks where the file system can.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let output = Command::new("cp")
        .args(["-a", "--reflink=auto", "--"])
        .arg(from)
        .arg(to)
        .output()
        .context("run cp")?;
    if !output.status.success() {
        bail!(
            "copy {} to {}: {}",
            from.display(),
            to.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
