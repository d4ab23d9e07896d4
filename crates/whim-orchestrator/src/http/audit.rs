//! Who asked for what: a line under the target `audit` for everything that a person changes and for every credential
//! that is refused, and an end to guessing (`ATTACKS.md`, row 29).
//!
//! The lines say from where, what, on which item or worker, and with which result; never the credential, and never text
//! that a stranger notify_changed into a path or a header. What a person gave as `by` and `reason` is in the line of the domain
//! with the same request's id.

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

/// So many refused credentials of one peer are answered and logged one by one in a [`WINDOW`].
const MAX_REFUSALS: u32 = 20;
/// After the first of them.
const WINDOW: Duration = Duration::from_secs(60);
/// So many peers are told apart; the others share one account.
const MAX_PEERS: usize = 1024;

/// What the audit of a listener needs to know.
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

/// Writes down what was changed and who was refused, and answers 429 to a peer that goes on presenting wrong
/// credentials. The right one is looked at first: whoever has it is never locked out, also not by others behind the same
/// address.
pub(super) async fn watch(State(auditor): State<Auditor>, request: Request, next: Next) -> Response {
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
                Refused::TheLast { until } => {
                    let seconds = until.as_secs();
                    tracing::warn!(target: "audit", listener, %from, %method, route, id, status,
                        "refused {MAX_REFUSALS} times; what more is refused there within {seconds} s is not logged");
                    response
                }
                Refused::TooMany { until } => ApiError::too_many_refusals(until).into_response(),
            }
        }
        _answered => {
            // Workers change things all the time, and their tables say what.
            if listener == Listener::Api && changes_something(&method) {
                let new = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|location| location.to_str().ok());
                let id = id.or_else(|| new.and_then(identifier_in));
                tracing::info!(target: "audit", %from, %method, route, id, status = status.as_u16(), "asked for a change");
            }
            response
        }
    }
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Where a request comes from, as the socket knows it: headers can say anything.
fn peer_of(extensions: &Extensions) -> Option<SocketAddr> {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| *peer)
}

/// The item or worker that a path names; nothing else of it.
fn identifier_in(path: &str) -> Option<String> {
    path.split('/')
        .find_map(|segment| Uuid::try_parse(segment).ok())
        .map(|id| id.to_string())
}

/// The refused credentials of the last while, by peer.
#[derive(Debug, Default)]
struct Refusals {
    by_peer: HashMap<IpAddr, Account>,
}

#[derive(Clone, Copy, Debug)]
struct Account {
    since: Instant,
    count: u32,
}

/// What a refusal is among others of the same peer; `until` is the time to the end of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    One,
    TheLast { until: Duration },
    TooMany { until: Duration },
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
        let until = WINDOW.saturating_sub(now.duration_since(account.since));
        match account.count {
            ..MAX_REFUSALS => Refused::One,
            MAX_REFUSALS => Refused::TheLast { until },
            _more => Refused::TooMany { until },
        }
    }
}

/// Who has one IPv6 address has all of its network.
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
    fn a_peer_may_fail_some_times_a_minute_and_others_have_nothing_to_do_with_it() {
        let (mut refusals, begin) = (Refusals::default(), Instant::now());
        for _ in 1..MAX_REFUSALS {
            assert_eq!(refusals.count(numbered(1), begin), Refused::One);
        }
        assert!(matches!(
            refusals.count(numbered(1), begin),
            Refused::TheLast { .. }
        ));
        let later = begin + Duration::from_secs(20);
        let until = Duration::from_secs(40);
        assert_eq!(refusals.count(numbered(1), later), Refused::TooMany { until });
        assert_eq!(refusals.count(numbered(2), later), Refused::One);
        assert_eq!(refusals.count(numbered(1), begin + WINDOW), Refused::One);
    }

    #[test]
    fn any_number_of_peers_takes_a_bounded_room() {
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
