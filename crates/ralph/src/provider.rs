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
    /// The credentials are refused. Waiting does not help.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) message: String,
    /// The reset time of the limit, if it is known.
    pub(crate) resets_at: Option<DateTime<Utc>>,
}

impl Trouble {
    /// Classifies an error of the harness by the HTTP status of the model API, if any, the harness's error code, and the
    /// message. `None` if the provider is not the cause.
    ///
    /// The message is used last, and only without a status: its wording differs between versions, and an agent's own text
    /// must not end a run.
    pub(crate) fn of_error(status: Option<u16>, code: Option<&str>, message: &str) -> Option<Self> {
        let kind = match (status, code) {
            // Before the status: a lack of credit comes as 400.
            (_, Some("usage_limit_reached" | "billing_error")) | (Some(429), _) => TroubleKind::Limited,
            (Some(500..=599), _) => TroubleKind::Unavailable,
            (Some(401 | 403), _) => TroubleKind::Refused,
            (Some(_), _) => return None,
            (None, Some("connection_failed" | "overloaded" | "server_error")) => TroubleKind::Unavailable,
            (None, Some("rate_limit")) => TroubleKind::Limited,
            (None, Some("authentication_failed" | "oauth_org_not_allowed" | "account_on_hold")) => {
                TroubleKind::Refused
            }
            (None, _) => Self::kind_by_message(message)?,
        };
        Some(Self {
            kind,
            message: message.to_owned(),
            resets_at: reset_time(message, Utc::now()).filter(|_| kind == TroubleKind::Limited),
        })
    }

    /// Sets the reset time, if it is known from another source than the message.
    pub(crate) fn ending_at(mut self, resets_at: Option<DateTime<Utc>>) -> Self {
        if self.kind == TroubleKind::Limited {
            self.resets_at = resets_at.or(self.resets_at);
        }
        self
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
            TroubleKind::Refused => "the model provider refuses the credentials",
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
