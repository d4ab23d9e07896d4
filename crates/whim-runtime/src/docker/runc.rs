//! The version of runc, of which old ones allow container escapes.

use anyhow::bail;
use bollard::Docker;
use bollard::models::SystemVersionComponents;
use semver::Version;

use super::inner::Inner;

/// The first version of each series without known escapes: CVE-2024-21626, CVE-2025-31133, CVE-2025-52565 and
/// CVE-2025-52881 (`docs/attacks.md`, row 4). Later series are not affected, earlier ones were not fixed.
const FIXED: [&str; 3] = ["1.2.8", "1.3.3", "1.4.0-rc.3"];

impl Inner {
    /// A warning if workers run with a `runc` that is too old.
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

    /// # Errors
    /// `REQUIRE_PATCHED_RUNC` is set and this `runc` is too old.
    pub(super) async fn require_patched_runc(&self, docker: &Docker) -> anyhow::Result<()> {
        if !self.config.require_patched_runc {
            return Ok(());
        }
        match self.runc_warning(docker).await? {
            Some(warning) => bail!("{warning} No worker is started, because REQUIRE_PATCHED_RUNC is set."),
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
        "The container engine's runc {version} has known container escapes: update it to {} or newer. \
         (Distributions patch older versions too; then this can be ignored.)",
        FIXED.join(", ")
    ))
}

/// `false` for a version that cannot be parsed.
fn is_patched(version: &str) -> bool {
    // Debian writes `~rc3`.
    let Ok(version) = Version::parse(&version.trim_start_matches('v').replace('~', "-")) else {
        return false;
    };
    let mut fixed = FIXED.iter().filter_map(|fixed| Version::parse(fixed).ok());
    let same_series = |fixed: &Version| (fixed.major, fixed.minor) == (version.major, version.minor);
    match fixed.clone().find(same_series) {
        Some(fixed) => version.cmp_precedence(&fixed).is_ge(),
        None => fixed.all(|fixed| version.cmp_precedence(&fixed).is_gt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_the_fix_of_their_series_are_too_old() {
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
    fn a_warning_names_the_version_and_the_fixed_ones() {
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
        // Another engine may use another OCI runtime.
        assert_eq!(warning(&[engine]), None);
    }
}
