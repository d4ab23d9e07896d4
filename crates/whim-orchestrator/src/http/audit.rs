//! Audit log: a line with the target `audit` for every change that a person requests and for every refused credential.
//! Peers that keep presenting wrong credentials are throttled (docs/attacks.md, row 29).
//!
//! The lines state the peer, the route, the item or worker, and the result; never the credential, and never text of the
//! caller. Reasons and names that a person gave are in the domain's log line with the same request id.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::LOCATION;
use axum::http::{Extensions, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use uuid::Uuid;

use super::error::ApiError;
use super::requests::route_of;
use crate::metrics::{self, Listener};

/// Refused credentials of one peer in a [`WINDOW`] before it is throttled and no longer logged.
const MAX_REFUSALS: u32 = 20;
/// Starts with the first refused credential.
const WINDOW: Duration = Duration::from_secs(60);
/// Peers that are counted separately; further ones share one account.
const MAX_PEERS: usize = 1024;

#[derive(Clone, Debug)]
pub(super) struct Auditor {
    listener: Listener,
    refusals: Arc<RwLock<Refusals>>,
}

impl Auditor {
    pub(super) fn new(listener: Listener) -> Self {
        Self {
            listener,
            refusals: Arc::default(),
        }
    }

    fn count(&self, peer: IpAddr) -> Refused {
        let mut refusals = self.refusals.write().unwrap_or_else(PoisonError::into_inner);
        refusals.count(peer, Instant::now())
    }
}

/// Logs changes and refused credentials, and answers 429 to a peer that keeps presenting wrong credentials. Valid
/// credentials are checked first, so that their holder is not locked out by others behind the same address.
pub(super) async fn record(State(auditor): State<Auditor>, request: Request, next: Next) -> Response {
    let listener = auditor.listener;
    let peer = peer_of(request.extensions());
    let (method, route) = (request.method().clone(), route_of(&request));
    let id = identifier_in(request.uri().path());
    let response = next.run(request).await;

    let status = response.status();
    let from = peer.map(|peer| peer.to_string()).unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            metrics::refused_credential(listener);
            // Only a caller in the same process has no address.
            let refused = peer.map_or(Refused::One, |peer| auditor.count(peer.ip()));
            let (listener, status) = (listener.as_str(), status.as_u16());
            match refused {
                Refused::One => {
                    tracing::warn!(target: "audit", listener, %from, %method, route, id, status, "refused");
                    response
                }
                Refused::Last { window_left } => {
                    let seconds = window_left.as_secs();
                    tracing::warn!(target: "audit", listener, %from, %method, route, id, status,
                        "refused {MAX_REFUSALS} times; further refusals of this peer within {seconds} s are not logged");
                    response
                }
                Refused::TooMany { window_left } => ApiError::too_many_refusals(window_left).into_response(),
            }
        }
        _answered => {
            // Changes of workers are frequent and recorded in tables.
            if listener == Listener::Api && changes_something(&method) {
                let new = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|location| location.to_str().ok());
                let id = id.or_else(|| new.and_then(identifier_in));
                tracing::info!(target: "audit", %from, %method, route, id, status = status.as_u16(), "requested a change");
            }
            response
        }
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// The address of the socket: headers can be forged.
fn peer_of(extensions: &Extensions) -> Option<SocketAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| *peer)
}

/// The identifier of the item or worker in a path; nothing else of it.
fn identifier_in(path: &str) -> Option<String> {
    path.split('/')
        .find_map(|segment| Uuid::try_parse(segment).ok())
        .map(|id| id.to_string())
}

/// Refused credentials in the current windows, by peer.
#[derive(Debug, Default)]
struct Refusals {
    by_peer: HashMap<IpAddr, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    since: Instant,
    count: u32,
}

/// The position of a refusal in its peer's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    One,
    Last { window_left: Duration },
    TooMany { window_left: Duration },
}

impl Refusals {
    fn count(&mut self, peer: IpAddr, now: Instant) -> Refused {
        let current = |account: &Account| now.duration_since(account.since) < WINDOW;
        let mut peer = network_of(peer);
        if !self.by_peer.contains_key(&peer) && self.by_peer.len() >= MAX_PEERS {
            self.by_peer.retain(|_, account| current(account));
            if self.by_peer.len() >= MAX_PEERS {
                peer = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let new = Account { since: now, count: 0 };
        let account = self.by_peer.entry(peer).or_insert(new);
        if !current(account) {
            *account = new;
        }
        account.count = account.count.saturating_add(1);
        let window_left = WINDOW.saturating_sub(now.duration_since(account.since));
        match account.count {
            ..MAX_REFUSALS => Refused::One,
            MAX_REFUSALS => Refused::Last { window_left },
            _more => Refused::TooMany { window_left },
        }
    }
}

/// The holder of one IPv6 address usually has the whole /64 network.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn numbered(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn a_peer_is_throttled_after_its_own_failures_only() {
        let (mut refusals, begin) = (Refusals::default(), Instant::now());
        for _ in 1..MAX_REFUSALS {
            assert_eq!(refusals.count(numbered(1), begin), Refused::One);
        }
        assert!(matches!(refusals.count(numbered(1), begin), Refused::Last { .. }));
        let later = begin + Duration::from_secs(20);
        let window_left = Duration::from_secs(40);
        assert_eq!(
            refusals.count(numbered(1), later),
            Refused::TooMany { window_left }
        );
        assert_eq!(refusals.count(numbered(2), later), Refused::One);
        assert_eq!(refusals.count(numbered(1), begin + WINDOW), Refused::One);
    }

    #[test]
    fn the_number_of_accounts_is_bounded() {
        let (mut refusals, begin) = (Refusals::default(), Instant::now());
        for number in 0..3_000 {
            refusals.count(numbered(number), begin);
        }
        assert!(refusals.by_peer.len() <= MAX_PEERS + 1);
        assert!(matches!(
            refusals.count(numbered(100_001), begin),
            Refused::TooMany { .. }
        ));
        assert_eq!(refusals.count(numbered(100_001), begin + WINDOW), Refused::One);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one_peer() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
    }

    #[test]
    fn of_a_path_only_an_identifier_is_kept() {
        let id = Uuid::now_v7().to_string();
        assert_eq!(identifier_in(&format!("/api/work/{id}/cancel")), Some(id));
        assert_eq!(identifier_in("/api/work/<script>/cancel"), None);
    }
}
