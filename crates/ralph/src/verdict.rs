//! Whether a run of an agent succeeded.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::agent::AgentOptions;
use crate::provider::Trouble;
use crate::stream::AgentResult;
use crate::supervise::{End, Outcome};
use crate::text::{ending, shortened};

/// How much of an agent's result or standard error goes into an error, in bytes.
const MAX_QUOTED: usize = 2000;

/// The result of a run, apart from the changes that it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Worked,
    /// With the reason.
    Failed(String),
    /// The model provider was the cause.
    Provider(Trouble),
}

impl Verdict {
    pub(crate) fn of(outcome: &Outcome, options: &AgentOptions) -> Self {
        let failed = |what: String| Self::Failed(with_stderr(what, &outcome.stderr));
        match (outcome.end, &outcome.trouble) {
            (End::ProviderUnavailable, Some(trouble)) => Self::Provider(trouble.clone()),
            // A result that came after the signal says only that the agent was interrupted.
            (End::ProviderUnavailable, None) => {
                failed("the agent was waiting for the model provider".to_owned())
            }
            (End::Idle, _) => failed(format!(
                "the agent printed nothing for {} s",
                options.limits.idle.as_secs_f64()
            )),
            // What it did before counts; if that is nothing, the run comes closer to being stuck.
            (End::Repeating, _) => Self::Worked,
            (End::OutputClosed, _) => failed("the agent closed its output without a result".to_owned()),
            (End::Stopped, _) => failed("the agent was interrupted".to_owned()),
            (End::Exited | End::LingeredAfterResult, _) => match &outcome.result {
                Some(result) => Self::of_result(result),
                None if options.harness.reports_result() => failed(format!(
                    "the agent exited without a result ({})",
                    status_text(outcome.status)
                )),
                None if outcome.status.is_some_and(|status| status.success()) => Self::Worked,
                None => failed(format!("the agent failed ({})", status_text(outcome.status))),
            },
        }
    }

    fn of_result(result: &AgentResult) -> Self {
        match &result.trouble {
            Some(trouble) => Self::Provider(trouble.clone()),
            None if result.is_error => Self::Failed(format!(
                "the agent reported an error: {}",
                shortened(&result.text, MAX_QUOTED)
            )),
            None if result.used_no_tokens() => {
                Self::Failed("the agent reported that it used no tokens".to_owned())
            }
            None => Self::Worked,
        }
    }
}

/// Adds the end of standard error, where programs report why they fail.
fn with_stderr(what: String, stderr: &str) -> String {
    match stderr {
        "" => what,
        stderr => format!("{what}: {}", ending(stderr, MAX_QUOTED)),
    }
}

fn status_text(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "it survived SIGKILL".to_owned();
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
