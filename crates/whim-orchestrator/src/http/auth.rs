//! Authentication of people and the intake with the API key, and of gateways with theirs.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use whim_service::secret::ExposeSecret as _;

use super::bearer::bearer;
use super::docs;
use super::error::ApiError;
use crate::app::App;

/// Needs no key, so that health checks need no secret.
const HEALTH_PATH: &str = "/health";
/// Carries the API key where a client sets no `Authorization`.
pub(super) const KEY_HEADER: &str = "x-api-key";

/// The key that callers must present, if one is configured. It is kept as a hash, so that the duration of the comparison
/// reveals neither the key nor its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequiredKey {
    key_hash: Option<[u8; 32]>,
    /// Whether the documentation needs no key: only on a loopback listener (docs/decisions/0016-loopback-without-a-key.md).
    docs_are_public: bool,
}

impl RequiredKey {
    pub(super) fn of(app: &App) -> Self {
        let api = &app.config.api;
        Self {
            key_hash: api.key.as_ref().map(|key| hash(key.expose_secret())),
            docs_are_public: api.address.ip().is_loopback(),
        }
    }

    fn is_public(self, path: &str) -> bool {
        path == HEALTH_PATH || (self.docs_are_public && docs::PATHS.contains(&path))
    }

    fn admits(self, presented: Option<&str>) -> bool {
        match (self.key_hash, presented) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(expected), Some(presented)) => is_same(&expected, presented),
        }
    }
}

/// The key that gateways must present, as a hash. Without one, no request is accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatewayKey(Option<[u8; 32]>);

impl GatewayKey {
    pub(super) fn of(app: &App) -> Self {
        let gateway = app.config.worker.access.gateway();
        Self(gateway.map(|gateway| hash(gateway.key.expose_secret())))
    }
}

/// Answers 401 unless the request presents the key of gateways.
pub(super) async fn require_gateway_key(
    State(GatewayKey(key_hash)): State<GatewayKey>,
    request: Request,
    next: Next,
) -> Response {
    let error = match key_hash.zip(bearer(request.headers())) {
        Some((expected, presented)) if is_same(&expected, presented) => return next.run(request).await,
        _ if key_hash.is_none() => "this orchestrator has no gateway: set GATEWAY_URL and GATEWAY_KEY",
        _ => "expected GATEWAY_KEY as `Authorization: Bearer …`",
    };
    ApiError::unauthorized(error).into_response()
}

fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

fn is_same(expected: &[u8; 32], presented: &str) -> bool {
    expected.ct_eq(&hash(presented)).into()
}

/// Answers 401 unless the request presents the key.
pub(super) async fn require_key(
    State(required): State<RequiredKey>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let presented = bearer(headers).or_else(|| headers.get(KEY_HEADER)?.to_str().ok());
    if required.is_public(request.uri().path()) || required.admits(presented) {
        next.run(request).await
    } else {
        let error = "expected the API key as `Authorization: Bearer …` or `X-API-Key: …`";
        ApiError::unauthorized(error).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // docs/attacks.md, row 29. The duration cannot be asserted, but the source shows that `subtle` compares hashes.
    #[test]
    fn keys_are_compared_by_their_hashes_and_in_constant_time() {
        let source = include_str!("auth.rs");
        let (code, _tests) = source.split_once("#[cfg(test)]").unwrap();
        assert_eq!(code.matches(".ct_eq(").count(), 1);
        assert_eq!(code.matches("expected.ct_eq(&hash(presented))").count(), 1);
        // Keys of every length have hashes of one length.
        assert_eq!(hash("").len(), hash(&"x".repeat(1000)).len());
    }

    #[test]
    fn only_the_exact_key_is_admitted() {
        let required = RequiredKey {
            key_hash: Some(hash("a-long-api-key")),
            docs_are_public: false,
        };
        assert!(required.admits(Some("a-long-api-key")));
        for wrong in [
            None,
            Some(""),
            Some("a-long-api-ke"),
            Some("a-long-api-keyy"),
            Some("A-long-api-key"),
        ] {
            assert!(!required.admits(wrong), "{wrong:?} was admitted");
        }
    }
}
