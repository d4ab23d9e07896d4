//! The required version of Postgres.

use anyhow::{Context as _, bail};

/// Refuses a version that would fail with a confusing error later.
pub(super) fn check(version_line: &str) -> anyhow::Result<()> {
    let major = version_line
        .split_whitespace()
        .find_map(|word| word.split('.').next()?.parse::<u32>().ok())
        .with_context(|| format!("read the version of Postgres from {version_line:?}"))?;
    if major < 16 {
        bail!(
            "{} is too old: 16 or newer is needed; run ./scripts/setup.sh",
            version_line.trim()
        );
    }
    Ok(())
}
