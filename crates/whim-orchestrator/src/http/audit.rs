//! Audit log: a line with the target `audit` for every change that a person requests and for every refused credential.
//! Peers that keep presenting wrong credentials are throttled (docs/attacks.md, row 29).
//!
//! The lines state the peer, the route, the item or worker, and the result; never the credential, and never text of the
//! caller. Reasons and names that a person gave are in the domain's log line with the same request id.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{Extensions, HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use uuid::Uuid;
use whim_service::throttle::{Count, Throttle};

use super::auth::KEY_HEADER;
use super::error::ApiError;
use super::requests::route_of;
use crate::metrics::{self, Listener};

/// Refused credentials of one peer in a [`WINDOW`] before it is throttled and no longer logged.
const MAX_REFUSALS: u32 = 20;
/// Starts with the first refused credential.
const WINDOW: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct Auditor {
    listener: Listener,
    refusals: Arc<RwLock<Throttle>>,
}

impl Auditor {
    pub(super) fn new(listener: Listener) -> Self {
        Self {
            listener,
            refusals: Arc::new(RwLock::new(Throttle::new(WINDOW))),
        }
    }

    fn count(&self, peer: IpAddr) -> Refused {
        let mut refusals = self.refusals.write().unwrap_or_else(PoisonError::into_inner);
        refusals.count(peer, Instant::now()).into()
    }
}

/// Logs changes and refused credentials, and answers 429 to a peer that keeps presenting wrong credentials. Valid
/// credentials are checked first, so that their holder is not locked out by others behind the same address. A request
/// without a credential is no guess: it gets 401 at any time.
pub(super) async fn record(State(auditor): State<Auditor>, request: Request, next: Next) -> Response {
    let listener = auditor.listener;
    let peer = peer_of(request.extensions());
    let (method, route) = (request.method().clone(), route_of(&request));
    let id = identifier_in(request.uri().path());
    let is_guess = presents_credential(request.headers());
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
                Refused::TooMany { window_left } if is_guess => {
                    ApiError::too_many_refusals(window_left).into_response()
                }
                Refused::TooMany { .. } => response,
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

fn presents_credential(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION) || headers.contains_key(KEY_HEADER)
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

/// The position of a refusal in its peer's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    One,
    Last { window_left: Duration },
    TooMany { window_left: Duration },
}

impl From<Count> for Refused {
    fn from(Count { number, window_left }: Count) -> Self {
        match number {
            ..MAX_REFUSALS => Self::One,
            MAX_REFUSALS => Self::Last { window_left },
            _more => Self::TooMany { window_left },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_throttled_after_the_last_refusal_of_its_window() {
        let window_left = Duration::from_secs(40);
        let refused = |number| Refused::from(Count { number, window_left });
        assert_eq!(refused(1), Refused::One);
        assert_eq!(refused(MAX_REFUSALS - 1), Refused::One);
        assert_eq!(refused(MAX_REFUSALS), Refused::Last { window_left });
        assert_eq!(refused(MAX_REFUSALS + 1), Refused::TooMany { window_left });
    }

    #[test]
    fn of_a_path_only_an_identifier_is_kept() {
        let id = Uuid::now_v7().to_string();
        assert_eq!(identifier_in(&format!("/api/work/{id}/cancel")), Some(id));
        assert_eq!(identifier_in("/api/work/<script>/cancel"), None);
    }
}
