//! What an error of the model API says about the account: read from HTTP, not from the words of a client.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

/// A longer wait than any window of a limit.
const MAX_RESET: Duration = Duration::from_hours(24 * 31);

/// Beginnings of a 400 that is about money, in lower case. Errors about a request begin with the name of a field, and may quote
/// what the request says further on.
const SPEND_LIMITS: [&str; 3] = [
    "you have reached your",
    "your credit balance",
    "your organization has reached",
];

/// Why the API answers no request for now, or none with this credential or model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelLimit {
    /// 429.
    Rate,
    /// 529, or 503.
    Overloaded,
    /// 400 or 402: the spend limit or the credit of the account is used up.
    Spend,
    /// 401.
    Credential,
    /// 403: the credential may not use the model, or may not do this.
    Forbidden,
    /// 404.
    UnknownModel,
}

impl ModelLimit {
    pub(crate) const ALL: [Self; 6] = [
        Self::Rate,
        Self::Overloaded,
        Self::Spend,
        Self::Credential,
        Self::Forbidden,
        Self::UnknownModel,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Overloaded => "overloaded",
            Self::Spend => "spend",
            Self::Credential => "credential",
            Self::Forbidden => "forbidden",
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

/// An error response that reports a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub(super) limit: ModelLimit,
    pub(super) status: StatusCode,
    /// In the words of the API.
    pub(super) message: String,
    /// Time to the reset.
    pub(super) reset: Option<Duration>,
}

/// The limit that an error response reports.
pub(super) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Reported> {
    let message = serde_json::from_slice(body)
        .map(|response: ErrorResponse| response.error.message)
        .unwrap_or_default();
    let lower_case = message.to_lowercase();
    let limit = match status.as_u16() {
        429 => ModelLimit::Rate,
        503 | 529 => ModelLimit::Overloaded,
        402 => ModelLimit::Spend,
        400 if SPEND_LIMITS.iter().any(|words| lower_case.starts_with(words)) => ModelLimit::Spend,
        401 => ModelLimit::Credential,
        403 => ModelLimit::Forbidden,
        404 => ModelLimit::UnknownModel,
        _ => return None,
    };
    Some(Reported {
        limit,
        status,
        message,
        reset: reset(headers),
    })
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
        let Reported { limit, reset, .. } = of_response(
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
        assert_eq!(limit(403, &[], "no access"), Some(("forbidden", None)));
        assert_eq!(limit(400, &[], "messages: Field required"), None);
        // The text of a request is no limit.
        let quoted = "messages.0.role: 'You have reached your spend limit' is not one of";
        assert_eq!(limit(400, &[], quoted), None);
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
