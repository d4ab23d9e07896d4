//! The program of the engine that makes containers: old versions of it let their containers out.

use anyhow::bail;
use bollard::Docker;
use bollard::models::SystemVersionComponents;
use semver::Version;

use super::inner::Inner;

/// Of each series, the first version without a way out that is known: CVE-2024-21626, CVE-2025-31133, CVE-2025-52565
/// and CVE-2025-52881 (`ATTACKS.md`, row 4). Later series have none of them, earlier ones were not mended.
const MENDED: [&str; 3] = ["1.2.8", "1.3.3", "1.4.0-rc.3"];

impl Inner {
    /// A warning when the engine's `runc` is too old; `None` too when workers do not run with it.
    pub(super) async fn runc_warning(&self, docker: &Docker) -> anyhow::Result<Option<String>> {
        if self
            .config
            .oci_runtime
            .as_deref()
            .is_some_and(|name| name != "runc")
        {
            return Ok(None);
        }
        let components = docker.version().await?.components.unwrap_or_default();
        Ok(warning(&components))
    }

    /// Nothing, unless the owner insists on a mended `runc` and this one is not.
    pub(super) async fn require_patched_runc(&self, docker: &Docker) -> anyhow::Result<()> {
        if !self.config.require_fixed_runc {
            return Ok(());
        }
        match self.runc_warning(docker).await? {
            Some(warning) => bail!("{warning} No worker is started, as REQUIRE_PATCHED_RUNC asks."),
            None => Ok(()),
        }
    }
}

fn warning(components: &[SystemVersionComponents]) -> Option<String> {
    let runc = components.iter().find(|component| component.name == "runc")?;
    let version = &runc.version;
    if is_patched(version) {
        return None;
    }
    Some(format!(
        "The container engine's runc {version} has known ways out of a container: update it to {} or newer. \
         (Distributions mend older versions too; then this can be ignored.)",
        MENDED.join(", ")
    ))
}

/// A version that cannot be read is none that is known to be mended.
fn is_patched(version: &str) -> bool {
    // Debian writes `~rc3`.
    let Ok(version) = Version::parse(&version.trim_start_matches('v').replace('~', "-")) else {
        return false;
    };
    let mut mended = MENDED.iter().filter_map(|mended| Version::parse(mended).ok());
    let same_series = |mended: &Version| (mended.major, mended.minor) == (version.major, version.minor);
    match mended.clone().find(same_series) {
        Some(mended) => version.cmp_precedence(&mended).is_ge(),
        None => mended.all(|mended| version.cmp_precedence(&mended).is_gt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_before_the_mends_of_their_series_are_too_old() {
        for version in [
            "1.2.8",
            "1.2.9",
            "1.3.3",
            "v1.3.3",
            "1.3.4+ds1",
            "1.4.0-rc.3",
            "1.4.0~rc.3+ds1",
            "1.4.0",
            "1.5.1",
            "2.0.0",
        ] {
            assert!(is_patched(version), "{version}");
        }
        for version in [
            "1.0.0~rc93+ds1",
            "1.1.5+ds1",
            "1.1.12",
            "1.1.99",
            "1.2.7",
            "1.3.2",
            "1.4.0-rc.2",
            "0.1",
            "",
            "unknown",
        ] {
            assert!(!is_patched(version), "{version}");
        }
    }

    #[test]
    fn a_warning_names_the_version_and_those_that_will_do() {
        let component = |name: &str, version: &str| SystemVersionComponents {
            name: name.to_owned(),
            version: version.to_owned(),
            details: None,
        };
        let engine = component("Engine", "20.10.24");
        let warned = warning(&[engine.clone(), component("runc", "1.1.5+ds1")]);
        let warned = warned.unwrap();
        assert!(
            warned.contains("runc 1.1.5+ds1 has") && warned.contains("1.2.8, 1.3.3, 1.4.0-rc.3 or newer"),
            "{warned}"
        );
        assert_eq!(warning(&[engine.clone(), component("runc", "1.3.3")]), None);
        // Another engine may have another program for it.
        assert_eq!(warning(&[engine]), None);
    }
}
