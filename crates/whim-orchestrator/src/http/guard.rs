//! Without an API key, only requests addressed to this machine are answered: a page of another site, opened in a browser
//! on this machine, must not control Whim (docs/attacks.md, row 27).

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use url::Url;

use super::error::ApiError;
use crate::app::App;

/// Hosts that a request may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Any: the key authenticates.
    Any,
    /// Those that can only mean this machine. Another name that resolves to it indicates DNS rebinding.
    Loopback,
}

impl Hosts {
    pub(super) fn of(app: &App) -> Self {
        if app.config.api.key.is_some() {
            Self::Any
        } else {
            Self::Loopback
        }
    }
}

/// Refuses requests that name another host or originate from a page of another host.
pub(super) async fn refuse_strangers(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    if hosts == Hosts::Loopback {
        if !names_loopback(&request) {
            let error = "without API_KEY only requests to localhost or a loopback address are answered";
            return ApiError::forbidden(error).into_response();
        }
        if request.headers().contains_key(ORIGIN) && !comes_from_loopback(&request) {
            return ApiError::forbidden("pages of other hosts may not call this API").into_response();
        }
    }
    next.run(request).await
}

fn names_loopback(request: &Request) -> bool {
    // HTTP/2 carries the host in the URI.
    let header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = header.map_or_else(
        || request.uri().authority().cloned(),
        |host| host.parse::<Authority>().ok(),
    );
    authority.is_some_and(|authority| is_loopback(authority.host()))
}

fn comes_from_loopback(request: &Request) -> bool {
    let origin = request
        .headers()
        .get(ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    let origin = origin.and_then(|origin| Url::parse(origin).ok());
    origin.is_some_and(|origin| origin.host_str().is_some_and(is_loopback))
}

fn is_loopback(host: &str) -> bool {
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]", "::1"] {
            assert!(is_loopback(host), "{host} was refused");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
        ] {
            assert!(!is_loopback(host), "{host} was accepted");
        }
    }
}
