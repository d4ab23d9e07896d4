//! The client of a request: its peer, or what a trusted proxy reports about its own.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Who sent a request, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    /// Whether the browser used TLS.
    pub(crate) over_tls: bool,
}

/// Peers whose `X-Forwarded-…` headers are believed. Everyone else can write what they want there.
#[derive(Debug)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub(crate) fn client(&self, peer: SocketAddr, headers: &HeaderMap) -> Client {
        let peer = peer.ip().to_canonical();
        if !self.contain(peer) {
            return Client {
                address: peer,
                over_tls: false,
            };
        }
        let proto = headers.get(FORWARDED_PROTO);
        Client {
            address: self.forwarded_for(headers).unwrap_or(peer),
            over_tls: proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https")),
        }
    }

    /// Each proxy appends its peer, so the last address that is not a proxy's is the client's.
    fn forwarded_for(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut hops: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        while let Some(hop) = hops.pop() {
            let address = parse(hop.trim())?;
            if !self.contain(address) {
                return Some(address);
            }
        }
        None
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Some proxies add the port.
fn parse(hop: &str) -> Option<IpAddr> {
    let address = hop
        .parse()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded_for: &str) -> Client {
        let proxies = TrustedProxies::new(vec![
            "10.1.0.0/16".parse().unwrap(),
            "127.0.0.1/32".parse().unwrap(),
        ]);
        let headers = HeaderMap::from_iter([
            (FORWARDED_FOR, HeaderValue::try_from(forwarded_for).unwrap()),
            (FORWARDED_PROTO, HeaderValue::from_static("https")),
        ]);
        proxies.client(format!("{peer}:4711").parse().unwrap(), &headers)
    }

    #[test]
    fn headers_of_an_unknown_peer_are_not_believed() {
        let found = client("192.0.2.1", "198.51.100.7");
        assert_eq!(found.address, "192.0.2.1".parse::<IpAddr>().unwrap());
        assert!(!found.over_tls);
    }

    #[test]
    fn behind_trusted_proxies_the_client_is_the_last_address_that_is_not_theirs() {
        for (header, expected) in [
            ("198.51.100.7", "198.51.100.7"),
            ("203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
            ("203.0.113.9, 198.51.100.7:5000", "198.51.100.7"),
            ("[2001:db8::7]:5000", "2001:db8::7"),
            ("10.1.9.9", "127.0.0.1"),
            ("nonsense", "127.0.0.1"),
            ("203.0.113.9, nonsense", "127.0.0.1"),
        ] {
            let found = client("127.0.0.1", header);
            assert_eq!(found.address.to_string(), expected, "{header}");
            assert!(found.over_tls);
        }
    }

    #[test]
    fn an_ipv4_peer_of_a_dual_stack_listener_is_recognised() {
        assert!(client("[::ffff:10.1.0.1]", "198.51.100.7").over_tls);
    }
}
