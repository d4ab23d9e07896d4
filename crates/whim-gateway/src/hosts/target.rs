//! The target of a `CONNECT` request.

use std::fmt;

use url::Host;

const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A lower-case DNS name with at least two labels; never an address, in whatever notation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostName(String);

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) host: HostName,
    pub(crate) port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidTarget {
    #[error("expected host:port")]
    Form,
    #[error("expected the name of a host, not an IP address")]
    Address,
    #[error("expected a host name with letters, digits, hyphens and dots")]
    Name,
}

impl HostName {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTarget> {
        let name = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= MAX_LABEL
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        // What resolvers and clients read as an address: dotted, decimal, hexadecimal and octal.
        let is_address = name.starts_with('[')
            || name.contains(':')
            || matches!(Host::parse(&name), Ok(Host::Ipv4(_) | Host::Ipv6(_)));
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_address || last.bytes().all(|byte| byte.is_ascii_digit()) && !last.is_empty() {
            return Err(InvalidTarget::Address);
        }
        if name.len() > MAX_NAME || !name.contains('.') || !name.split('.').all(is_label) {
            return Err(InvalidTarget::Name);
        }
        Ok(Self(name))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidTarget> {
        let (host, port) = text.rsplit_once(':').ok_or(InvalidTarget::Form)?;
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port: u16 = is_port
            .then(|| port.parse().ok())
            .flatten()
            .filter(|port| *port != 0)
            .ok_or(InvalidTarget::Form)?;
        Ok(Self {
            host: HostName::parse(host)?,
            port,
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_refused_in_every_notation() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "169.254.169.254",
            "[::1]",
            "::1",
            "[::ffff:169.254.169.254]",
            "[fe80::1%25eth0]",
            "1.2.3.4.5",
        ] {
            let target = format!("{host}:443");
            assert_eq!(Target::parse(&target), Err(InvalidTarget::Address), "{target}");
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in [
            "",
            "example.org",
            "example.org:",
            "example.org:0",
            "example.org:65536",
            "example.org:+443",
            "example.org:443 ",
            "localhost:443",
            "example.org.:443",
            "exa mple.org:443",
            "user@example.org:443",
            "example.org/x:443",
            "example..org:443",
            "-example.org:443",
            "ex\u{e4}mple.org:443",
            "example.org\0:443",
            "example.org\r\nX: y:443",
        ] {
            assert!(Target::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            Target::parse("Example.ORG:443").unwrap().to_string(),
            "example.org:443"
        );
    }

    proptest! {
        #[test]
        fn a_parsed_target_is_parsed_again_as_itself(text in "\\PC{0,40}|[a-zA-Z0-9.:\\[\\]_-]{0,40}") {
            if let Ok(target) = Target::parse(&text) {
                prop_assert_eq!(Target::parse(&target.to_string()), Ok(target.clone()));
                prop_assert!(Host::parse(target.host.as_str()).is_ok_and(|host| matches!(host, Host::Domain(_))));
            }
        }
    }
}
