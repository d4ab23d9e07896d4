//! Secrets as values of headers.

use axum::http::HeaderValue;
use whim_service::environment::Environment;
use whim_service::secret::{ExposeSecret as _, SecretString};

/// The value of a header; `None` and a problem if a header cannot carry the secret.
pub(super) fn in_header(
    env: &mut Environment,
    name: &'static str,
    prefix: &str,
    secret: &SecretString,
) -> Option<HeaderValue> {
    let secret = secret.expose_secret();
    let value = secret
        .bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then(|| HeaderValue::try_from(format!("{prefix}{secret}")).ok())
        .flatten();
    let Some(mut value) = value else {
        env.refuse(
            name,
            "contains characters that are not allowed: expected visible ASCII without spaces",
        );
        return None;
    };
    value.set_sensitive(true);
    Some(value)
}
