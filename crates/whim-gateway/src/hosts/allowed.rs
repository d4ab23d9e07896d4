//! The hosts that may be reached.

use std::fmt;

use super::target::{HostName, Target};

const HTTPS: u16 = 443;

/// A host name, or all names below one, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    name: HostName,
    /// Whether the names below `name` are meant, and not itself.
    below: bool,
    port: u16,
}

/// Hosts of package registries, as the tools of each ecosystem reach them by default.
const GROUPS: [(&str, &[&str]); 11] = [
    ("npm", &["registry.npmjs.org", "registry.yarnpkg.com"]),
    ("pypi", &["pypi.org", "files.pythonhosted.org"]),
    ("crates", &["index.crates.io", "static.crates.io", "crates.io"]),
    ("go", &["proxy.golang.org", "sum.golang.org"]),
    (
        "maven",
        &[
            "repo.maven.apache.org",
            "repo1.maven.org",
            "plugins.gradle.org",
            "plugins-artifacts.gradle.org",
            "services.gradle.org",
        ],
    ),
    ("rubygems", &["rubygems.org", "index.rubygems.org"]),
    ("packagist", &["packagist.org", "repo.packagist.org"]),
    ("nuget", &["api.nuget.org"]),
    ("debian", &["deb.debian.org", "security.debian.org"]),
    ("ubuntu", &["archive.ubuntu.com", "security.ubuntu.com"]),
    ("alpine", &["dl-cdn.alpinelinux.org"]),
];

impl AllowedHost {
    /// `name`, `*.name` or either with `:port`.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
            None => (text, HTTPS),
        };
        let (name, below) = match host.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (host, false),
        };
        Some(Self {
            name: HostName::parse(name).ok()?,
            below,
            port,
        })
    }

    /// A host, or the hosts of a group.
    pub(crate) fn parse_or_group(text: &str) -> Option<Vec<Self>> {
        match GROUPS.iter().find(|(name, _)| *name == text) {
            Some((_, hosts)) => Some(hosts.iter().filter_map(|host| Self::parse(host)).collect()),
            None if text.contains('.') => Some(vec![Self::parse(text)?]),
            // A misspelt group.
            None => None,
        }
    }

    /// The hosts of all groups.
    pub(crate) fn registries() -> Vec<Self> {
        let hosts = GROUPS.iter().flat_map(|(_, hosts)| hosts.iter());
        hosts.filter_map(|host| Self::parse(host)).collect()
    }

    pub(crate) fn matches(&self, target: &Target) -> bool {
        let name = target.host.as_str();
        let is_named = if self.below {
            name.strip_suffix(self.name.as_str())
                .is_some_and(|above| above.ends_with('.') && above.len() > 1)
        } else {
            name == self.name.as_str()
        };
        is_named && self.port == target.port
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.below { "*." } else { "" };
        write!(formatter, "{prefix}{}", self.name)?;
        match self.port {
            HTTPS => Ok(()),
            port => write!(formatter, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, target: &str) -> bool {
        let target = Target::parse(target).unwrap();
        AllowedHost::parse_or_group(allowed)
            .unwrap()
            .iter()
            .any(|host| host.matches(&target))
    }

    #[test]
    fn a_host_is_allowed_by_its_name_and_port() {
        assert!(allows("example.org", "example.org:443"));
        assert!(allows("Example.ORG", "eXample.org:443"));
        assert!(allows("example.org:8443", "example.org:8443"));
        assert!(allows("*.example.org", "a.b.example.org:443"));
        for (allowed, target) in [
            ("example.org", "example.org:22"),
            ("example.org:8443", "example.org:443"),
            ("example.org", "a.example.org:443"),
            ("example.org", "example.org.evil.net:443"),
            ("*.example.org", "example.org:443"),
            ("*.example.org", "badexample.org:443"),
        ] {
            assert!(!allows(allowed, target), "{allowed} allows {target}");
        }
    }

    #[test]
    fn each_group_names_hosts_that_can_be_parsed() {
        for (group, hosts) in GROUPS {
            let parsed = AllowedHost::parse_or_group(group).unwrap();
            assert_eq!(parsed.len(), hosts.len(), "{group}");
        }
        assert!(allows("npm", "registry.npmjs.org:443"));
        let all: usize = GROUPS.iter().map(|(_, hosts)| hosts.len()).sum();
        assert_eq!(AllowedHost::registries().len(), all);
    }

    #[test]
    fn what_names_no_host_is_refused() {
        for text in [
            "",
            "npn",
            "*",
            "*.",
            "10.0.0.1",
            "[::1]:443",
            "example.org:0",
            "example.org:x",
            "a b.org",
            "*.*.org",
            "http://example.org",
            "example.org/path",
        ] {
            assert_eq!(AllowedHost::parse_or_group(text), None, "{text:?}");
        }
    }
}
