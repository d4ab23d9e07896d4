//! Secrets in memory, and URLs without theirs.

use std::borrow::Cow;

pub use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// What stands where a secret was.
pub const REDACTED: &str = "***";

/// Words in the name of a query parameter that make its value a secret.
const SECRET_PARAMETERS: [&str; 5] = ["password", "secret", "token", "key", "signature"];

/// The URL as text without its secrets: the password, a lone user name of an HTTP URL (tokens are written there)
/// and query parameters whose name says that they are secret.
pub fn redact_url(url: &Url) -> String {
    let mut shown = url.clone();
    let lone_user = matches!(url.scheme(), "http" | "https") && !url.username().is_empty();
    // The setters refuse only URLs that cannot have user information; those have none to hide.
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

/// Text that was meant as a URL and is none, without what may be a password in it.
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
