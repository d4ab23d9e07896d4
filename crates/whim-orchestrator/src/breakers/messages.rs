//! How an open breaker is described to an operator.

use chrono::{DateTime, Utc};
use whim_core::FailureCause;
use whim_core::protocol::status::{Breaker, BreakerSubject};

use super::SPEC_CREDENTIAL;
use crate::db::breakers::Open;

/// A breaker as `/api/status` shows it.
pub(crate) fn describe(open: &Open) -> Breaker {
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

/// Instructions for a rejected credential; `None` if none is rejected.
pub(crate) fn credential_advice(open: &Open) -> Option<String> {
    let (setting, programs) = if open.cause == FailureCause::GitHubRefused {
        ("GITHUB_TOKEN", "the orchestrator and the intake")
    } else if open.cause != FailureCause::ModelRefused {
        return None;
    } else if open.name == SPEC_CREDENTIAL {
        (SPEC_CREDENTIAL, "the orchestrator and the intake")
    } else if open.name.is_empty() {
        ("the credential of the agent", "the orchestrator")
    } else {
        (open.name.as_str(), "the orchestrator")
    };
    Some(format!("set {setting} to a valid value and restart {programs}"))
}

/// The problem, its cause, and what happens next.
fn explanation(open: &Open) -> String {
    let Open { name, failures, .. } = open;
    let of_credential = || {
        if name.is_empty() {
            String::new()
        } else {
            format!(" ({name})")
        }
    };
    let problem = match (open.subject, open.cause) {
        (BreakerSubject::Model, FailureCause::ModelLimited) => {
            format!("The model API rate-limits Whim{}", of_credential())
        }
        (BreakerSubject::Model, FailureCause::ModelRefused) => {
            format!("The model API rejects the credential{}", of_credential())
        }
        (BreakerSubject::Model, _) => format!("The model API is unavailable{}", of_credential()),
        (BreakerSubject::GitHub, FailureCause::GitHubRefused) => {
            "GitHub rejects the token (GITHUB_TOKEN)".to_owned()
        }
        (BreakerSubject::GitHub, _) => "GitHub is unavailable or rate-limits Whim".to_owned(),
        (BreakerSubject::Runtime, FailureCause::RuntimeUnavailable) => {
            format!("The runtime of {name} cannot start workers")
        }
        (BreakerSubject::Runtime, FailureCause::DiskFull) => {
            format!("The disk of the workers of {name} is full")
        }
        (BreakerSubject::Runtime, _) => {
            format!("{failures} consecutive workers of {name} ended before they registered")
        }
        (BreakerSubject::Repository, FailureCause::ImageUnavailable) => {
            format!("The worker image of {name} is missing")
        }
        (BreakerSubject::Repository, FailureCause::RegistryUnavailable) => {
            format!("The checks of {name} cannot download packages")
        }
        (BreakerSubject::Repository, FailureCause::GitHubUnavailable) => {
            format!("{name} cannot be fetched from GitHub")
        }
        (BreakerSubject::Repository, _) => format!("{failures} consecutive workers crashed in {name}"),
    };
    let reason = open.reason.trim_end_matches('.');
    let next = if open.half_open {
        "One worker is probing; the others start when it succeeds.".to_owned()
    } else if open.has_fixed_expiry {
        format!(
            "Work resumes at {}; POST /api/queue/resume retries now.",
            at(open.retry_at)
        )
    } else if open.remaining.is_zero() {
        "The next worker probes; the others start when it succeeds.".to_owned()
    } else {
        format!(
            "The next probe is at {}; POST /api/queue/resume probes now.",
            at(open.retry_at)
        )
    };
    match advice(open) {
        Some(advice) => format!("{problem}: {reason}. To fix it, {advice}. {next}"),
        None => format!("{problem}: {reason}. {next}"),
    }
}

fn advice(open: &Open) -> Option<String> {
    let advice = match (open.subject, open.cause) {
        (BreakerSubject::Runtime, FailureCause::RuntimeUnavailable) => {
            "check the container engine, or choose another runtime with WORKER_RUNTIME"
        }
        (BreakerSubject::Runtime, FailureCause::DiskFull) => "free disk space",
        (BreakerSubject::Runtime, _) => "read the workers' logs (GET /api/workers/{id}/logs)",
        (BreakerSubject::Repository, FailureCause::ImageUnavailable) => {
            "build or pull the image, or change WORKER_IMAGE or WORKER_IMAGES"
        }
        (BreakerSubject::Repository, FailureCause::RegistryUnavailable) => {
            "check that workers reach the package registry: in containers EGRESS, EGRESS_ALLOW and EGRESS_PRIVATE_NETWORKS of \
             the gateway, else HTTPS_PROXY and NO_PROXY"
        }
        (BreakerSubject::Repository, FailureCause::GitHubUnavailable) => {
            "check that the repository can be cloned with GITHUB_TOKEN"
        }
        (BreakerSubject::Repository, _) => "read the workers' logs (GET /api/workers/{id}/logs)",
        (BreakerSubject::Model | BreakerSubject::GitHub, _) => return credential_advice(open),
    };
    Some(advice.to_owned())
}

fn at(time: DateTime<Utc>) -> impl std::fmt::Display {
    time.format("%Y-%m-%d %H:%M:%S UTC")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_breaker_says_what_is_wrong_and_what_happens_next() {
        let open = |subject, name: &str, cause, reason: &str| Open {
            subject,
            name: name.to_owned(),
            cause,
            reason: reason.to_owned(),
            failures: 5,
            since: DateTime::UNIX_EPOCH,
            retry_at: DateTime::UNIX_EPOCH,
            remaining: Duration::from_secs(8),
            has_fixed_expiry: false,
            half_open: false,
            items: Vec::new(),
        };
        let (model, github) = (BreakerSubject::Model, BreakerSubject::GitHub);
        let (runtime, repository) = (BreakerSubject::Runtime, BreakerSubject::Repository);
        let oauth = "CLAUDE_CODE_OAUTH_TOKEN";
        let limited = Open {
            has_fixed_expiry: true,
            ..open(model, oauth, FailureCause::ModelLimited, "usage limit reached")
        };
        let overloaded = open(model, "", FailureCause::ModelUnavailable, "529");
        let breakers = [
            limited,
            Open {
                half_open: true,
                ..overloaded.clone()
            },
            Open {
                remaining: Duration::ZERO,
                ..overloaded
            },
            open(model, SPEC_CREDENTIAL, FailureCause::ModelRefused, "401"),
            open(model, oauth, FailureCause::ModelRefused, "401"),
            open(github, "", FailureCause::GitHubRefused, "401"),
            open(github, "", FailureCause::GitHubUnavailable, "502"),
            open(runtime, "here", FailureCause::RuntimeUnavailable, "no engine"),
            open(runtime, "here", FailureCause::DiskFull, "cloning"),
            open(runtime, "here", FailureCause::Crash, "exit code 127"),
            open(repository, "octocat/hello", FailureCause::Crash, "SIGSEGV."),
            open(
                repository,
                "octocat/hello",
                FailureCause::ImageUnavailable,
                "no image x:1",
            ),
            open(
                repository,
                "octocat/hello",
                FailureCause::GitHubUnavailable,
                "early EOF",
            ),
            open(
                repository,
                "octocat/hello",
                FailureCause::RegistryUnavailable,
                "npm error code ENOTFOUND",
            ),
        ];

        let sentences: Vec<String> = breakers.iter().map(explanation).collect();

        insta::assert_snapshot!(sentences.join("\n"), @r"
        The model API rate-limits Whim (CLAUDE_CODE_OAUTH_TOKEN): usage limit reached. Work resumes at 1970-01-01 00:00:00 UTC; POST /api/queue/resume retries now.
        The model API is unavailable: 529. One worker is probing; the others start when it succeeds.
        The model API is unavailable: 529. The next worker probes; the others start when it succeeds.
        The model API rejects the credential (ANTHROPIC_API_KEY): 401. To fix it, set ANTHROPIC_API_KEY to a valid value and restart the orchestrator and the intake. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        The model API rejects the credential (CLAUDE_CODE_OAUTH_TOKEN): 401. To fix it, set CLAUDE_CODE_OAUTH_TOKEN to a valid value and restart the orchestrator. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        GitHub rejects the token (GITHUB_TOKEN): 401. To fix it, set GITHUB_TOKEN to a valid value and restart the orchestrator and the intake. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        GitHub is unavailable or rate-limits Whim: 502. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        The runtime of here cannot start workers: no engine. To fix it, check the container engine, or choose another runtime with WORKER_RUNTIME. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        The disk of the workers of here is full: cloning. To fix it, free disk space. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        5 consecutive workers of here ended before they registered: exit code 127. To fix it, read the workers' logs (GET /api/workers/{id}/logs). The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        5 consecutive workers crashed in octocat/hello: SIGSEGV. To fix it, read the workers' logs (GET /api/workers/{id}/logs). The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        The worker image of octocat/hello is missing: no image x:1. To fix it, build or pull the image, or change WORKER_IMAGE or WORKER_IMAGES. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        octocat/hello cannot be fetched from GitHub: early EOF. To fix it, check that the repository can be cloned with GITHUB_TOKEN. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        The checks of octocat/hello cannot download packages: npm error code ENOTFOUND. To fix it, check that workers reach the package registry: in containers EGRESS, EGRESS_ALLOW and EGRESS_PRIVATE_NETWORKS of the gateway, else HTTPS_PROXY and NO_PROXY. The next probe is at 1970-01-01 00:00:00 UTC; POST /api/queue/resume probes now.
        ");
    }
}
