//! Whether a run of an agent worked, judged from how it ended.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::agent::AgentOptions;
use crate::provider::Trouble;
use crate::stream::AgentResult;
use crate::supervise::{End, Outcome};
use crate::text::{ending, shortened};

/// How much of an agent's last words goes into an error, in bytes.
const LAST_WORDS: usize = 2000;

/// What a run of an agent came to, apart from what it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ran as it should.
    Worked,
    /// It did not, for the reason given.
    Failed(String),
    /// The model provider is to blame.
    Provider(Trouble),
}

impl Verdict {
    pub(crate) fn of(outcome: &Outcome, options: &AgentOptions) -> Self {
        let failed = |what: String| Self::Failed(with_last_words(what, &outcome.stderr));
        match (outcome.end, &outcome.trouble) {
            (End::ProviderAway, Some(trouble)) => Self::Provider(trouble.clone()),
            // Whatever it said after we had given it up is an answer to our signal.
            (End::ProviderAway, None) => failed("the agent waited for the model provider".to_owned()),
            (End::Idle, _) => failed(format!(
                "the agent was silent for {} s",
                options.limits.idle.as_secs_f64()
            )),
            (End::OutputClosed, _) => failed("the agent closed its output without a result".to_owned()),
            (End::Stopped, _) => failed("the agent was interrupted".to_owned()),
            (End::Exited | End::LingeredAfterResult, _) => match &outcome.result {
                Some(result) => Self::of_result(result),
                None if options.harness.reports_result() => failed(format!(
                    "the agent ended without a result ({})",
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
                "the agent reports an error: {}",
                shortened(&result.text, LAST_WORDS)
            )),
            None if result.used_no_tokens() => {
                Self::Failed("the agent reports that it used no tokens at all".to_owned())
            }
            None => Self::Worked,
        }
    }
}

/// Standard error is where programs say why they fail; its end is the part that matters.
fn with_last_words(what: String, stderr: &str) -> String {
    match stderr {
        "" => what,
        stderr => format!("{what}: {}", ending(stderr, LAST_WORDS)),
    }
}

fn status_text(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "it could not be ended".to_owned();
    };
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}
