//! Trouble that is the model provider's and not the task's: the caller waits and tries again, and no iteration is
//! spent on it.

mod reset;

use chrono::{DateTime, SecondsFormat, Utc};
use ralph_contract::{Warning, WarningKind};

use self::reset::reset_time;

/// What kind of trouble the model provider has, or has with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// It limits us: 429, the plan's usage limit, no credit left. Waiting helps.
    Limited,
    /// It is away: 529, another 5xx, no connection. Waiting helps.
    Unavailable,
    /// It refuses our credentials. Waiting does not help.
    Refused,
}

/// Trouble and what the harness says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) message: String,
    /// When the limit ends, where it says so.
    pub(crate) resets_at: Option<DateTime<Utc>>,
}

impl Trouble {
    /// Reads an error of the harness: the HTTP status of the model API where there was one, the harness's own name
    /// for what went wrong, and its words. `None` where the provider is not to blame.
    ///
    /// The words are looked at last, and only for what has no status: harnesses word errors differently in each
    /// version, and an agent's own text must not end a run.
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
            (None, _) => Self::kind_by_words(message)?,
        };
        Some(Self {
            kind,
            message: message.to_owned(),
            resets_at: reset_time(message, Utc::now()).filter(|_| kind == TroubleKind::Limited),
        })
    }

    /// The same trouble, where its end is known from elsewhere than from its words.
    pub(crate) fn ending_at(mut self, resets_at: Option<DateTime<Utc>>) -> Self {
        if self.kind == TroubleKind::Limited {
            self.resets_at = resets_at.or(self.resets_at);
        }
        self
    }

    fn kind_by_words(message: &str) -> Option<TroubleKind> {
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

    /// The warning that goes before the end of the run.
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

    /// The error of the run.
    pub(crate) fn summary(&self) -> String {
        let what = match self.kind {
            TroubleKind::Limited => "the model provider limits us",
            TroubleKind::Unavailable => "the model provider is away",
            TroubleKind::Refused => "the model provider refuses our credentials",
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
    fn a_status_tells_whose_trouble_it_is() {
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
    fn words_decide_where_there_is_no_status() {
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
