//! Free disk space.

use std::path::Path;

use anyhow::Context as _;

/// The space that an unprivileged user can still use in the file system of `path`, in bytes.
pub(crate) fn free_bytes(path: &Path) -> anyhow::Result<u64> {
    let statistics =
        rustix::fs::statvfs(path).with_context(|| format!("reading the free space at {}", path.display()))?;
    Ok(statistics.f_bavail.saturating_mul(statistics.f_frsize))
}
