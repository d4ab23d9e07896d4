//! What an error of the model API says about the account: read from HTTP, not from the words of a client.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

/// A longer wait than any window of a limit.
const MAX_RESET: Duration = Duration::from_hours(24 * 31);

/// Sentences of a 400 that is about money, in lower case.
const SPEND_LIMITS: [&str; 3] = ["usage limits", "spend limit", "credit balance"];

/// Why the API answers no request for now, or none with this credential or model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelLimit {
    /// 429.
    Rate,
    /// 529, or 503.
    Overloaded,
    /// 400 or 402: the spend limit or the credit of the account is used up.
    Spend,
    /// 401 or 403.
    Credential,
    /// 404.
    UnknownModel,
}

impl ModelLimit {
    pub(crate) const ALL: [Self; 5] = [
        Self::Rate,
        Self::Overloaded,
        Self::Spend,
        Self::Credential,
        Self::UnknownModel,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Overloaded => "overloaded",
            Self::Spend => "spend",
            Self::Credential => "credential",
            Self::UnknownModel => "unknown_model",
        }
    }
}

#[derive(Debug, Deserialize)]
struct ErrorResponse {
    error: ErrorDetail,
}

#[derive(Debug, Deserialize)]
struct ErrorDetail {
    #[serde(default)]
    message: String,
}

/// The limit that an error response reports, and the time to its reset.
pub(super) fn of_response(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Option<(ModelLimit, Option<Duration>)> {
    let message = serde_json::from_slice(body)
        .map(|response: ErrorResponse| response.error.message.to_lowercase())
        .unwrap_or_default();
    let limit = match status.as_u16() {
        429 => ModelLimit::Rate,
        503 | 529 => ModelLimit::Overloaded,
        402 => ModelLimit::Spend,
        400 if SPEND_LIMITS.iter().any(|words| message.contains(words)) => ModelLimit::Spend,
        401 | 403 => ModelLimit::Credential,
        404 => ModelLimit::UnknownModel,
        _ => return None,
    };
    Some((limit, reset(headers)))
}

fn reset(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
    let until = |seconds: u64| {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    };
    number("retry-after")
        .map(Duration::from_secs)
        // Of a plan, in seconds since 1970.
        .or_else(|| until(number("anthropic-ratelimit-unified-reset")?))
        .map(|reset| reset.min(MAX_RESET))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn limit(
        status: u16,
        headers: &[(&'static str, &str)],
        message: &str,
    ) -> Option<(&'static str, Option<u64>)> {
        let headers = headers.iter().map(|&(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        });
        let body = serde_json::json!({ "type": "error", "error": { "type": "x", "message": message } });
        let status = StatusCode::from_u16(status).unwrap();
        let (limit, reset) = of_response(
            status,
            &HeaderMap::from_iter(headers),
            body.to_string().as_bytes(),
        )?;
        Some((limit.as_str(), reset.map(|reset| reset.as_secs())))
    }

    #[test]
    fn limits_are_read_from_the_status_the_headers_and_the_message() {
        let retry = [("retry-after", "17")];
        assert_eq!(limit(429, &retry, ""), Some(("rate", Some(17))));
        assert_eq!(limit(529, &[], "Overloaded"), Some(("overloaded", None)));
        assert_eq!(limit(401, &[], "invalid x-api-key"), Some(("credential", None)));
        assert_eq!(limit(404, &[], "model: claude-1"), Some(("unknown_model", None)));
        let spent = "You have reached your specified API usage limits. You will regain access on 2026-12-01";
        assert_eq!(limit(400, &[], spent), Some(("spend", None)));
        assert_eq!(
            limit(400, &[], "Your credit balance is too low"),
            Some(("spend", None))
        );
        assert_eq!(limit(400, &[], "messages: Field required"), None);
        assert_eq!(limit(500, &[], ""), None);
    }

    #[test]
    fn the_reset_of_a_plan_is_a_time() {
        let at = SystemTime::now() + Duration::from_secs(3600);
        let at = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
            .to_string();
        let (_, reset) = limit(429, &[("anthropic-ratelimit-unified-reset", &at)], "").unwrap();
        assert!((3590..=3600).contains(&reset.unwrap()), "{reset:?}");
        let (_, past) = limit(429, &[("anthropic-ratelimit-unified-reset", "1")], "").unwrap();
        assert_eq!(past, Some(0));
        let (_, far) = limit(429, &[("retry-after", "99999999999999")], "").unwrap();
        assert_eq!(far, Some(MAX_RESET.as_secs()));
    }
}
