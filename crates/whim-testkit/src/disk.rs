//! A disk that is small enough to be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::process::geteuid;
use tempfile::TempDir;

const BALLAST: &str = "ballast";

/// An in-memory file system of a fixed size; unmounted on drop, after its users must have exited.
#[derive(Debug)]
pub struct SmallDisk {
    mount_point: TempDir,
}

impl SmallDisk {
    /// Mounts one of that size; `None` if mounting is not permitted: without root, and in most containers.
    ///
    /// # Errors
    /// Its directory cannot be created.
    pub fn mount(bytes: u64) -> anyhow::Result<Option<Self>> {
        let mount_point = TempDir::with_prefix("whim-small-disk-").context("create the mount point")?;
        if !geteuid().is_root() {
            return Ok(None);
        }
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=0755"),
                "whim-small-disk",
            ])
            .arg(mount_point.path())
            .output()
            .context("run mount")?;
        if !mounted.status.success() {
            tracing::info!("no small disk: {}", String::from_utf8_lossy(&mounted.stderr));
            return Ok(None);
        }
        Ok(Some(Self { mount_point }))
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// Allocates all free space.
    ///
    /// # Errors
    /// Writing fails for another reason than that the disk is full.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = File::create(self.ballast()).context("create the ballast")?;
        for size in [1024 * 1024, 4096] {
            let block = vec![0; size];
            loop {
                match ballast.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("write the ballast"),
                }
            }
        }
        Ok(())
    }

    /// Frees the space again.
    ///
    /// # Errors
    /// It was not filled.
    pub fn empty(&self) -> anyhow::Result<()> {
        fs::remove_file(self.ballast()).context("remove the ballast")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join(BALLAST)
    }

    fn unmount(&self) -> anyhow::Result<()> {
        // Lazily: open files stay usable, and the unmount completes when they are closed.
        let unmounted = Command::new("umount").arg("--lazy").arg(self.path()).output();
        let unmounted = unmounted.context("run umount")?;
        if !unmounted.status.success() {
            bail!("{}", String::from_utf8_lossy(&unmounted.stderr));
        }
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            tracing::warn!("a small disk stays mounted: {error:#}");
        }
    }
}
