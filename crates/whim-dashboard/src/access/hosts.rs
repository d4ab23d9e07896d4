//! The host names by which requests may address the dashboard. Another name that resolves to it indicates DNS rebinding: a
//! page of that name could otherwise use the dashboard (docs/attacks.md, row 27).

use std::net::IpAddr;

use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use url::Host;

/// Loopback names and addresses, the address of the listener, and those that are configured.
#[derive(Debug)]
pub(crate) struct Hosts {
    configured: Vec<Host>,
    /// Of the listener; `None` if it listens on all addresses.
    bind: Option<IpAddr>,
}

impl Hosts {
    pub(crate) fn new(configured: Vec<Host>, bind: IpAddr) -> Self {
        let bind = (!bind.is_unspecified()).then_some(bind);
        Self { configured, bind }
    }

    /// The host and port that a request names, if it may.
    pub(crate) fn of(&self, uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
        let mut named = headers.get_all(HOST).iter();
        let (Some(header), None) = (named.next(), named.next()) else {
            return None;
        };
        let authority: Authority = header.to_str().ok()?.parse().ok()?;
        // A request line can name a host too, which takes precedence for some servers.
        let agrees = uri.authority().is_none_or(|other| *other == authority);
        (agrees && self.allow(authority.host())).then_some(authority)
    }

    fn allow(&self, host: &str) -> bool {
        Host::parse(host).is_ok_and(|host| {
            let is_own = match &host {
                Host::Domain(name) => name == "localhost",
                Host::Ipv4(address) => address.is_loopback() || Some(IpAddr::from(*address)) == self.bind,
                Host::Ipv6(address) => address.is_loopback() || Some(IpAddr::from(*address)) == self.bind,
            };
            is_own || self.configured.contains(&host)
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn hosts() -> Hosts {
        let configured = vec![Host::parse("whim.example.org").unwrap()];
        Hosts::new(configured, "192.0.2.10".parse().unwrap())
    }

    fn allows(host: &str) -> bool {
        let headers = HeaderMap::from_iter([(HOST, HeaderValue::try_from(host).unwrap())]);
        hosts().of(&Uri::from_static("/"), &headers).is_some()
    }

    #[test]
    fn names_of_this_machine_and_configured_ones_are_allowed_with_any_port() {
        for host in [
            "localhost",
            "localhost:3003",
            "LOCALHOST:3003",
            "127.0.0.1:3003",
            "127.1.2.3",
            "[::1]:3003",
            "192.0.2.10:3003",
            "whim.example.org",
            "Whim.Example.org:443",
        ] {
            assert!(allows(host), "{host} was refused");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.10.evil.example",
            "evil.example#localhost",
            "localhost@evil.example",
            "whim.example.org.evil.example",
            "sub.whim.example.org",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "localhost, evil.example",
        ] {
            assert!(!allows(host), "{host} was accepted");
        }
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        let localhost = || HeaderValue::from_static("localhost");
        let evil = || HeaderValue::from_static("evil.example");
        let of = |uri: &'static str, named: Vec<HeaderValue>| {
            let headers = named.into_iter().map(|host| (HOST, host)).fold(
                HeaderMap::new(),
                |mut headers, (name, host)| {
                    headers.append(name, host);
                    headers
                },
            );
            hosts().of(&Uri::from_static(uri), &headers)
        };
        assert!(of("/", vec![localhost()]).is_some());
        assert!(of("http://localhost/", vec![localhost()]).is_some());
        assert!(of("/", vec![]).is_none());
        assert!(of("/", vec![localhost(), evil()]).is_none());
        assert!(of("http://evil.example/", vec![localhost()]).is_none());
        assert!(of("http://localhost/", vec![evil()]).is_none());
    }
}
