//! Whether a run of an agent worked, judged from how it ended.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::agent::AgentOptions;
use crate::provider::Trouble;
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
        if let Some(result) = &outcome.result {
            return match &result.trouble {
                Some(trouble) => Self::Provider(trouble.clone()),
                None if result.is_error => Self::Failed(format!(
                    "the agent reports an error: {}",
                    shortened(&result.text, LAST_WORDS)
                )),
                None if result.used_no_tokens() => {
                    Self::Failed("the agent reports that it used no tokens at all".to_owned())
                }
                None => Self::Worked,
            };
        }
        if let Some(trouble) = &outcome.trouble {
            return Self::Provider(trouble.clone());
        }
        let what = match outcome.end {
            End::Exited
                if !options.harness.reports_result()
                    && outcome.status.is_some_and(|status| status.success()) =>
            {
                return Self::Worked;
            }
            End::Exited if options.harness.reports_result() => {
                format!(
                    "the agent ended without a result ({})",
                    status_text(outcome.status)
                )
            }
            End::Exited | End::LingeredAfterResult => {
                format!("the agent failed ({})", status_text(outcome.status))
            }
            End::Idle => format!("the agent was silent for {} s", options.limits.idle.as_secs_f64()),
            End::OutputClosed => "the agent closed its output without a result".to_owned(),
            End::ProviderAway => "the agent waits for the model provider".to_owned(),
            End::Stopped => "the agent was interrupted".to_owned(),
        };
        Self::Failed(match outcome.stderr.as_str() {
            "" => what,
            stderr => format!("{what}: {}", ending(stderr, LAST_WORDS)),
        })
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
