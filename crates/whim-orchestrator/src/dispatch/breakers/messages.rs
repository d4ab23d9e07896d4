//! What an open breaker says to people.

use chrono::{DateTime, Utc};
use whim_core::FailureCause;
use whim_core::protocol::status::{Breaker, BreakerSubject};

use crate::db::breakers::Open;

/// A breaker as it is shown.
pub(super) fn breaker(open: &Open) -> Breaker {
    Breaker {
        subject: open.subject,
        name: Some(open.name.clone()).filter(|name| !name.is_empty()),
        cause: open.cause,
        explanation: explanation(open),
        failures: open.failures,
        since: open.since,
        retry_at: open.retry_at,
        has_fixed_expiry: open.has_fixed_expiry,
        half_open: open.half_open,
        operator_action_required: open.cause.operator_action_required(),
    }
}

/// One sentence: what, why, and what ends it.
fn explanation(open: &Open) -> String {
    let name = &open.name;
    let what = match (open.subject, open.cause) {
        (BreakerSubject::Model, FailureCause::ModelLimited) => "The model API limits Whim".to_owned(),
        (BreakerSubject::Model, FailureCause::ModelRefused) => {
            "The model API refuses Whim's credentials".to_owned()
        }
        (BreakerSubject::Model, _) => "The model API is not available".to_owned(),
        (BreakerSubject::GitHub, FailureCause::GitHubRefused) => "GitHub refuses Whim's token".to_owned(),
        (BreakerSubject::GitHub, _) => "GitHub is not available or limits Whim".to_owned(),
        (BreakerSubject::Runtime, FailureCause::RuntimeUnavailable) => {
            format!("Workers cannot be started by {name}")
        }
        (BreakerSubject::Runtime, FailureCause::DiskFull) => {
            format!("The disk is full that the workers of {name} write to")
        }
        (BreakerSubject::Runtime, _) => {
            let count = open.failures;
            format!("{count} workers in a row that {name} started ended before they registered")
        }
        (BreakerSubject::Repository, _) => format!("{} workers in a row crashed in {name}", open.failures),
    };
    let mend = open.cause.mended_by().map(|advice| format!(": {advice}"));
    let mend = mend.unwrap_or_default();
    let reason = open.reason.trim_end_matches('.');
    let end = if open.half_open {
        "one worker is trying now, and the rest follows when it works".to_owned()
    } else if open.has_fixed_expiry {
        format!("work goes on at {}", at(open.retry_at))
    } else if open.left.is_zero() {
        "one worker tries next, and the rest follows when it works".to_owned()
    } else {
        format!("one worker tries at {}", at(open.retry_at))
    };
    format!("{what} ({reason}){mend}; {end}.")
}

fn at(time: DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y-%m-%d %H:%M:%S UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_breaker_says_in_a_sentence_what_is_wrong_and_what_ends_it() {
        let open = |subject, name: &str, cause, reason: &str| Open {
            subject,
            name: name.to_owned(),
            cause,
            reason: reason.to_owned(),
            failures: 5,
            since: DateTime::UNIX_EPOCH,
            retry_at: DateTime::UNIX_EPOCH,
            left: Duration::from_secs(8),
            has_fixed_expiry: false,
            half_open: false,
        };
        let limited = Open {
            has_fixed_expiry: true,
            ..open(
                BreakerSubject::Model,
                "",
                FailureCause::ModelLimited,
                "usage limit reached",
            )
        };
        let overloaded = open(BreakerSubject::Model, "", FailureCause::ModelUnavailable, "529");
        let breakers = [
            limited,
            Open {
                half_open: true,
                ..overloaded.clone()
            },
            Open {
                left: Duration::ZERO,
                ..overloaded
            },
            open(BreakerSubject::Model, "", FailureCause::ModelRefused, "401"),
            open(BreakerSubject::GitHub, "", FailureCause::GitHubRefused, "401"),
            open(BreakerSubject::GitHub, "", FailureCause::GitHubUnavailable, "502"),
            open(
                BreakerSubject::Runtime,
                "here",
                FailureCause::RuntimeUnavailable,
                "no engine",
            ),
            open(BreakerSubject::Runtime, "here", FailureCause::DiskFull, "cloning"),
            open(
                BreakerSubject::Runtime,
                "here",
                FailureCause::Crash,
                "exit code 127",
            ),
            open(
                BreakerSubject::Repository,
                "octocat/hello",
                FailureCause::Crash,
                "SIGSEGV.",
            ),
        ];

        let sentences: Vec<String> = breakers.iter().map(explanation).collect();

        insta::assert_snapshot!(sentences.join("\n"), @r"
        The model API limits Whim (usage limit reached); work goes on at 1970-01-01 00:00:00 UTC.
        The model API is not available (529); one worker is trying now, and the rest follows when it works.
        The model API is not available (529); one worker tries next, and the rest follows when it works.
        The model API refuses Whim's credentials (401): set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN to one that is valid and restart the orchestrator and the intake; one worker tries at 1970-01-01 00:00:00 UTC.
        GitHub refuses Whim's token (401): set GITHUB_TOKEN to one that is valid and restart the orchestrator and the intake; one worker tries at 1970-01-01 00:00:00 UTC.
        GitHub is not available or limits Whim (502); one worker tries at 1970-01-01 00:00:00 UTC.
        Workers cannot be started by here (no engine); one worker tries at 1970-01-01 00:00:00 UTC.
        The disk is full that the workers of here write to (cloning); one worker tries at 1970-01-01 00:00:00 UTC.
        5 workers in a row that here started ended before they registered (exit code 127); one worker tries at 1970-01-01 00:00:00 UTC.
        5 workers in a row crashed in octocat/hello (SIGSEGV); one worker tries at 1970-01-01 00:00:00 UTC.
        ");
    }
}
