//! Problems of the model provider, which are not the task's fault: the run ends without spending another iteration, and the
//! caller retries later.

mod reset;

use chrono::{DateTime, SecondsFormat, Utc};
use ralph_contract::{Warning, WarningKind};

use self::reset::reset_time;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// Limited: 429, the usage limit of the plan, no credit left. Waiting helps.
    Limited,
    /// 529, another 5xx, no connection. Waiting helps.
    Unavailable,
    /// The credentials, the account or the model are refused. Waiting does not help.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) message: String,
    /// The reset time of the limit, if it is known.
    pub(crate) resets_at: Option<DateTime<Utc>>,
}

/// Codes of Claude Code that waiting does not help against.
const REFUSED: [&str; 8] = [
    "account_on_hold",
    "authentication_failed",
    "cloud_credential_error",
    "model_not_found",
    "oauth_org_not_allowed",
    "org_disabled_credential",
    "permission_error",
    "verification_required",
];

impl Trouble {
    /// Classifies an error of the harness by the HTTP status of the model API, if any, the harness's error code, and the
    /// message. `None` if the provider is not the cause.
    ///
    /// The message is used last, and only without a status: its wording differs between versions, and an agent's own text
    /// must not end a run.
    pub(crate) fn of_error(status: Option<u16>, code: Option<&str>, message: &str) -> Option<Self> {
        let kind = match (status, code) {
            // Before the status: a lack of credit comes as 400, an unknown model as 404.
            (_, Some("usage_limit_reached" | "billing_error")) | (Some(429), _) => TroubleKind::Limited,
            (_, Some(code)) if REFUSED.contains(&code) => TroubleKind::Refused,
            (Some(500..=599), _) => TroubleKind::Unavailable,
            (Some(401 | 403), _) => TroubleKind::Refused,
            (Some(400), _) => Self::kind_of_invalid_request(message)?,
            (Some(_), _) => return None,
            (None, Some("connection_failed" | "overloaded" | "server_error")) => TroubleKind::Unavailable,
            (None, Some("rate_limit")) => TroubleKind::Limited,
            (None, _) => Self::kind_by_message(message)?,
        };
        let message = match code {
            Some("model_not_found") => {
                format!("{message}; choose a model that exists (`--model`, CLAUDE_MODEL)")
            }
            _ => message.to_owned(),
        };
        Some(Self {
            kind,
            resets_at: reset_time(&message, Utc::now()).filter(|_| kind == TroubleKind::Limited),
            message,
        })
    }

    /// Sets the reset time, if it is known from another source than the message.
    pub(crate) fn ending_at(mut self, resets_at: Option<DateTime<Utc>>) -> Self {
        if self.kind == TroubleKind::Limited {
            self.resets_at = resets_at.or(self.resets_at);
        }
        self
    }

    /// The model API answers 400 to limits that the account's owner set, and to accounts that it does not serve. Its exact
    /// sentences, because an ordinary invalid request quotes the text of an agent.
    fn kind_of_invalid_request(message: &str) -> Option<TroubleKind> {
        const LIMITED: [&str; 2] = [
            "You have reached your specified API usage limits",
            "credit balance is too low",
        ];
        const REFUSED: [&str; 1] = ["organization has been disabled"];
        let says = |sentences: &[&str]| sentences.iter().any(|sentence| message.contains(sentence));
        if says(&LIMITED) {
            Some(TroubleKind::Limited)
        } else if says(&REFUSED) {
            Some(TroubleKind::Refused)
        } else {
            None
        }
    }

    fn kind_by_message(message: &str) -> Option<TroubleKind> {
        const LIMITED: [&str; 5] = [
            "limit reached",
            "hit your limit",
            "usage limit",
            "rate limit",
            "credit balance is too low",
        ];
        const UNAVAILABLE: [&str; 7] = [
            "econnrefused",
            "econnreset",
            "enotfound",
            "etimedout",
            "connection error",
            "connection refused",
            "overloaded",
        ];
        let message = message.to_lowercase();
        let has_one_of = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if has_one_of(&LIMITED) {
            Some(TroubleKind::Limited)
        } else if has_one_of(&UNAVAILABLE) {
            Some(TroubleKind::Unavailable)
        } else {
            None
        }
    }

    pub(crate) fn warning(&self) -> Warning {
        Warning {
            kind: match self.kind {
                TroubleKind::Limited => WarningKind::ProviderLimited,
                TroubleKind::Unavailable => WarningKind::ProviderUnavailable,
                TroubleKind::Refused => WarningKind::ProviderRefused,
            },
            message: self.message.clone(),
            files: Vec::new(),
            resets_at: self
                .resets_at
                .map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true)),
        }
    }

    pub(crate) fn summary(&self) -> String {
        let what = match self.kind {
            TroubleKind::Limited => "the model provider limits requests",
            TroubleKind::Unavailable => "the model provider is unavailable",
            TroubleKind::Refused => "the model provider refuses the credentials or the model",
        };
        format!("{what}: {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: Option<u16>, code: Option<&str>, message: &str) -> Option<TroubleKind> {
        Trouble::of_error(status, code, message).map(|trouble| trouble.kind)
    }

    #[test]
    fn the_http_status_decides_whether_the_provider_is_the_cause() {
        assert_eq!(kind(Some(429), None, ""), Some(TroubleKind::Limited));
        assert_eq!(kind(Some(529), None, ""), Some(TroubleKind::Unavailable));
        assert_eq!(kind(Some(503), None, ""), Some(TroubleKind::Unavailable));
        assert_eq!(kind(Some(401), None, ""), Some(TroubleKind::Refused));
        assert_eq!(
            kind(Some(400), None, "messages: the rate limit text is empty"),
            None
        );
        assert_eq!(
            kind(Some(400), Some("billing_error"), ""),
            Some(TroubleKind::Limited)
        );
    }

    /// Names and statuses of Claude Code 2.1.329, read from its own schema and probed.
    #[test]
    fn the_names_of_claude_code_are_read() {
        let limit = "API Error: 400 You have reached your specified API usage limits. You will regain access on \
            2026-12-01 at 00:00 UTC.";
        for (status, code, message, expected) in [
            (
                Some(404),
                Some("model_not_found"),
                "model: claude-sonnet-4-5",
                Some(TroubleKind::Refused),
            ),
            (Some(400), Some("unknown"), limit, Some(TroubleKind::Limited)),
            (
                Some(400),
                None,
                "API Error: 400 Your credit balance is too low to access the Anthropic API.",
                Some(TroubleKind::Limited),
            ),
            (
                Some(400),
                Some("org_disabled_credential"),
                "",
                Some(TroubleKind::Refused),
            ),
            (
                Some(400),
                Some("unknown"),
                "This organization has been disabled.",
                Some(TroubleKind::Refused),
            ),
            (None, Some("account_on_hold"), "", Some(TroubleKind::Refused)),
            (
                None,
                Some("verification_required"),
                "",
                Some(TroubleKind::Refused),
            ),
            (
                None,
                Some("cloud_credential_error"),
                "",
                Some(TroubleKind::Refused),
            ),
            (Some(400), Some("invalid_request"), "prompt is too long", None),
            (Some(404), None, "no such file", None),
            (None, Some("max_output_tokens"), "", None),
        ] {
            assert_eq!(
                kind(status, code, message),
                expected,
                "{status:?} {code:?} {message}"
            );
        }
        let trouble = Trouble::of_error(Some(400), Some("unknown"), limit).unwrap();
        assert_eq!(
            trouble
                .resets_at
                .unwrap()
                .to_rfc3339_opts(SecondsFormat::Secs, true),
            "2026-12-01T00:00:00Z"
        );
        let trouble = Trouble::of_error(Some(404), Some("model_not_found"), "model: x").unwrap();
        assert!(trouble.message.contains("CLAUDE_MODEL"), "{}", trouble.message);
    }

    #[test]
    fn the_message_decides_if_there_is_no_status() {
        for limit in [
            "Claude AI usage limit reached|1762952400",
            "You've hit your limit · resets 8pm (Europe/Berlin)",
            "Limit reached · resets 11:30am (Asia/Calcutta) · /upgrade to Max",
            "Credit balance is too low",
        ] {
            assert_eq!(kind(None, None, limit), Some(TroubleKind::Limited), "{limit}");
        }
        let refused = "API Error: Connection refused — a firewall may be blocking it (ECONNREFUSED)";
        assert_eq!(kind(None, None, refused), Some(TroubleKind::Unavailable));
        assert_eq!(kind(None, None, "Reached maximum number of turns"), None);
    }
}
