//! What the errors of the model API mean.

use std::sync::LazyLock;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use regex::Regex;
use reqwest::StatusCode;
use serde::Deserialize;
use whim_core::FailureCause;

const MAX_MESSAGE_CHARACTERS: usize = 300;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ModelError {
    /// No response, or none before the timeout.
    #[error("reaching the model API")]
    Unreachable(#[source] reqwest::Error),
    /// Overloaded, rate-limited or failing.
    #[error("the model API is unavailable ({status}): {message}")]
    Unavailable {
        status: u16,
        message: String,
        retry_after: Option<Duration>,
    },
    /// The limit of use that the owner of the key set, or that of the plan.
    #[error("the usage limit of the key is reached: {message}")]
    UsageLimited {
        message: String,
        /// Until the reported reset.
        retry_after: Option<Duration>,
    },
    /// The key, its account, the model or the URL is wrong.
    #[error("the model API refused the request ({status}): {message}; {}", what_to_check(*.status))]
    Refused { status: u16, message: String },
    /// The model API refused the text, for example because of its content.
    #[error("the model API rejected the text: {0}")]
    Rejected(String),
    #[error("the request exceeds the size limit of the model API: {0}")]
    TooLarge(String),
    /// Another service responds at that URL.
    #[error("the response is not one of the model API; check ANTHROPIC_BASE_URL")]
    UnexpectedResponse(#[source] serde_json::Error),
    #[error("the model gave no usable answer: {0}")]
    UnusableAnswer(&'static str),
}

fn what_to_check(status: u16) -> &'static str {
    match status {
        404 => "set SPEC_MODEL to a model that exists and that the key may use, or check ANTHROPIC_BASE_URL",
        400 | 402 => "check the account and the credit of ANTHROPIC_API_KEY",
        _ => "check ANTHROPIC_API_KEY, SPEC_MODEL and ANTHROPIC_BASE_URL",
    }
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    message: String,
}

impl ModelError {
    pub(super) fn unreachable(error: reqwest::Error) -> Self {
        // The base URL may contain a password.
        Self::Unreachable(error.without_url())
    }

    /// The meaning of an error response. Limits and closed accounts come as 400 too, and differ in their texts only.
    pub(super) fn refused(
        status: StatusCode,
        retry_after: Option<Duration>,
        body: &str,
        now: DateTime<Utc>,
    ) -> Self {
        let message = serde_json::from_str::<ErrorAnswer>(body)
            .map_or_else(|_| body.to_owned(), |answer| answer.error.message);
        let message: String = message.chars().take(MAX_MESSAGE_CHARACTERS).collect();
        let status = status.as_u16();
        match status {
            408 | 429 | 500.. => Self::Unavailable {
                status,
                message,
                retry_after,
            },
            413 => Self::TooLarge(message),
            400 | 422 => Self::bad_request(status, message, now),
            _ => Self::Refused { status, message },
        }
    }

    fn bad_request(status: u16, message: String, now: DateTime<Utc>) -> Self {
        let lower = message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        if says(&["usage limit", "regain access"]) {
            let retry_after = reset_time(&message).map(|reset| (reset - now).to_std().unwrap_or_default());
            Self::UsageLimited { message, retry_after }
        } else if says(&["credit balance", "has been disabled", "on hold", "billing"]) {
            Self::Refused { status, message }
        } else if says(&["prompt is too long", "too many tokens", "context limit"]) {
            Self::TooLarge(message)
        } else {
            Self::Rejected(message)
        }
    }

    /// Whether the same request would fail again.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::UnusableAnswer(_) | Self::TooLarge(_) | Self::Rejected(_) => true,
            Self::Unreachable(_)
            | Self::Unavailable { .. }
            | Self::UsageLimited { .. }
            | Self::Refused { .. }
            | Self::UnexpectedResponse(_) => false,
        }
    }

    /// Whether a setting or the account is wrong.
    pub(crate) fn operator_action_required(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::UnexpectedResponse(_) => true,
            Self::UnusableAnswer(_)
            | Self::TooLarge(_)
            | Self::Rejected(_)
            | Self::UsageLimited { .. }
            | Self::Unreachable(_)
            | Self::Unavailable { .. } => false,
        }
    }

    /// The cause, if every other spec would fail too. A timeout may be due to this request.
    pub(crate) fn shared_cause(&self) -> Option<FailureCause> {
        match self {
            Self::Unavailable { status: 429, .. } | Self::UsageLimited { .. } => {
                Some(FailureCause::ModelLimited)
            }
            Self::Unavailable {
                status: 500..=599, ..
            } => Some(FailureCause::ModelUnavailable),
            Self::Refused { .. } => Some(FailureCause::ModelRefused),
            Self::Unreachable(error) if error.is_connect() => Some(FailureCause::ModelUnavailable),
            Self::Unreachable(_)
            | Self::Unavailable { .. }
            | Self::UnexpectedResponse(_)
            | Self::UnusableAnswer(_)
            | Self::Rejected(_)
            | Self::TooLarge(_) => None,
        }
    }

    /// The reported reset of a limit.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable {
                status: 429,
                retry_after,
                ..
            }
            | Self::UsageLimited { retry_after, .. } => *retry_after,
            Self::Unavailable { .. }
            | Self::Unreachable(_)
            | Self::Refused { .. }
            | Self::Rejected(_)
            | Self::TooLarge(_)
            | Self::UnexpectedResponse(_)
            | Self::UnusableAnswer(_) => None,
        }
    }
}

/// `regain access on 2026-12-01 at 00:00 UTC`, as the model API writes it.
fn reset_time(message: &str) -> Option<DateTime<Utc>> {
    static RESET: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\bregain access on (\d{4}-\d{2}-\d{2})(?: at (\d{2}):(\d{2}) UTC)?").ok()
    });
    let found = RESET.as_ref()?.captures(message)?;
    let date = NaiveDate::parse_from_str(&found[1], "%Y-%m-%d").ok()?;
    let number = |group| found.get(group).and_then(|digits| digits.as_str().parse().ok());
    let time = date.and_hms_opt(number(2).unwrap_or(0), number(3).unwrap_or(0), 0)?;
    Some(time.and_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, message: &str) -> ModelError {
        let body = json!({ "type": "error", "error": { "type": "x", "message": message } });
        let now = DateTime::parse_from_rfc3339("2026-11-28T00:00:00Z").unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        ModelError::refused(status, None, &body.to_string(), now.to_utc())
    }

    #[test]
    fn limits_and_refusals_are_read_from_status_and_text() {
        use FailureCause::{ModelLimited, ModelRefused, ModelUnavailable};
        for (status, message, cause, is_permanent) in [
            (
                429,
                "This request would exceed your rate limit.",
                Some(ModelLimited),
                false,
            ),
            (529, "Overloaded", Some(ModelUnavailable), false),
            (500, "Internal server error", Some(ModelUnavailable), false),
            (408, "Timeout", None, false),
            (401, "invalid x-api-key", Some(ModelRefused), false),
            (402, "Payment required", Some(ModelRefused), false),
            (
                403,
                "Your organization does not have access.",
                Some(ModelRefused),
                false,
            ),
            (404, "model: claude-sonnet-4-5", Some(ModelRefused), false),
            (
                400,
                "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
                Some(ModelLimited),
                false,
            ),
            (
                400,
                "Your credit balance is too low to access the Anthropic API.",
                Some(ModelRefused),
                false,
            ),
            (
                400,
                "This organization has been disabled.",
                Some(ModelRefused),
                false,
            ),
            (
                400,
                "prompt is too long: 214031 tokens > 200000 maximum",
                None,
                true,
            ),
            (400, "Output blocked by content filtering policy", None, true),
            (413, "Request exceeds the maximum size", None, true),
        ] {
            let error = error(status, message);
            assert_eq!(error.shared_cause(), cause, "{message}");
            assert_eq!(error.is_permanent(), is_permanent, "{message}");
            assert_eq!(
                error.operator_action_required(),
                cause == Some(ModelRefused),
                "{message}"
            );
            assert!(error.to_string().contains(message), "{error}");
        }
    }

    #[test]
    fn a_limit_with_a_date_lasts_until_then() {
        let limit = |text: &str| error(400, &format!("API usage limits reached. {text}")).retry_after();
        let days = |count: u64| Some(Duration::from_secs(count * 86_400));
        assert_eq!(
            limit("You will regain access on 2026-12-01 at 00:00 UTC."),
            days(3)
        );
        assert_eq!(limit("You will regain access on 2026-12-01."), days(3));
        assert_eq!(limit("You will regain access on 2026-11-01."), days(0));
        assert_eq!(limit("Ask your administrator."), None);
    }

    #[test]
    fn an_unknown_model_names_the_setting() {
        let text = error(404, "model: claude-sonnet-4-5").to_string();
        assert!(text.contains("set SPEC_MODEL to a model that exists"), "{text}");
    }
}
