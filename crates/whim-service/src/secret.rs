//! Secrets in memory, and redaction of URLs.

use std::borrow::Cow;

pub use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Replaces a secret.
pub const REDACTED: &str = "***";

/// A query parameter whose name contains one of these is secret.
const SECRET_PARAMETERS: [&str; 5] = ["password", "secret", "token", "key", "signature"];

/// The URL without its secrets: the password, a user name without a password in an HTTP URL (a token), and secret query
/// parameters.
pub fn redact_url(url: &Url) -> String {
    let mut shown = url.clone();
    let lone_user = matches!(url.scheme(), "http" | "https") && !url.username().is_empty();
    // The setters refuse only URLs that cannot have user information.
    if url.password().is_some() && shown.set_password(Some(REDACTED)).is_err() {
        return REDACTED.to_owned();
    }
    if lone_user && shown.set_username(REDACTED).is_err() {
        return REDACTED.to_owned();
    }
    if url.query_pairs().any(|(name, _)| is_secret_parameter(&name)) {
        let pairs: Vec<(String, String)> = url
            .query_pairs()
            .map(|(name, value)| {
                let value: Cow<'_, str> = if is_secret_parameter(&name) {
                    REDACTED.into()
                } else {
                    value
                };
                (name.into_owned(), value.into_owned())
            })
            .collect();
        shown.query_pairs_mut().clear().extend_pairs(pairs);
    }
    shown.to_string()
}

/// Text that is not a valid URL, without what may be a password in it.
pub(crate) fn redact_malformed_url(text: &str) -> String {
    let Some(at) = text.rfind('@') else {
        return text.to_owned();
    };
    match text.find("://") {
        Some(scheme_end) if scheme_end < at => {
            let scheme = &text[..scheme_end];
            let rest = &text[at..];
            format!("{scheme}://{REDACTED}{rest}")
        }
        Some(_) | None => REDACTED.to_owned(),
    }
}

fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_PARAMETERS.iter().any(|word| name.contains(word))
}
