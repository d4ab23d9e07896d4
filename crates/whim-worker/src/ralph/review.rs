//! Runs `ralph review`.

use std::path::Path;
use std::time::Duration;

use ralph_contract::{Event, IterationStats, Line, Review, parse_line_and_json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use whim_service::chain::chain;

use super::command::{self, AgentRun};
use super::supervise::{self, Receiver, RunEnd};
use crate::report::Reporter;

/// A review that takes longer is terminated.
const MAX_DURATION: Duration = Duration::from_mins(30);
/// Lines that are kept for an error.
const KEPT_LINES: usize = 20;

/// What a review is about.
#[derive(Clone, Copy, Debug)]
pub struct ReviewRun<'a> {
    pub agent: AgentRun<'a>,
    /// A checkout of the change.
    pub directory: &'a Path,
    /// The file with the checklist.
    pub spec: &'a Path,
    /// The file with the change, as `git diff` prints it.
    pub diff: &'a Path,
}

/// How a review ended.
#[derive(Debug)]
pub struct Reviewed {
    /// The review, or why there is none.
    pub result: Result<Review, String>,
    pub stats: IterationStats,
}

/// Runs the reviewing agent to its end. Afterwards all of its processes have ended.
pub async fn review(run: &ReviewRun<'_>, reporter: &Reporter) -> Reviewed {
    let command = command::review(&run.agent, run.directory, run.spec, run.diff);
    let mut output = ReviewOutput::default();
    let end = {
        let too_long = CancellationToken::new();
        let idle_timeout = run.agent.agent.ralph_idle_timeout;
        let reviewing = supervise::run(&command, &mut output, reporter, idle_timeout, &too_long);
        let mut reviewing = std::pin::pin!(reviewing);
        tokio::select! {
            end = &mut reviewing => end,
            () = sleep(MAX_DURATION) => {
                too_long.cancel();
                reviewing.await
            }
        }
    };
    let ReviewOutput { reviewed, mut lines } = output;
    if let Some(reviewed) = reviewed {
        return reviewed;
    }
    let reason = match end {
        RunEnd::Exited(status) => format!("ralph ended without a review ({status})"),
        RunEnd::Hung => "ralph printed nothing for too long and was terminated".to_owned(),
        RunEnd::GivenUp => format!(
            "it took longer than {} minutes and was terminated",
            MAX_DURATION.as_secs() / 60
        ),
        RunEnd::NotStarted(error) => chain(&error).to_string(),
        RunEnd::SuperviseFailed(error) => format!("supervising ralph failed: {error}"),
    };
    lines.insert(0, reason);
    Reviewed {
        result: Err(lines.join("\n")),
        stats: IterationStats::default(),
    }
}

#[derive(Default)]
struct ReviewOutput {
    reviewed: Option<Reviewed>,
    /// The last lines of standard error.
    lines: Vec<String>,
}

impl Receiver for &mut ReviewOutput {
    fn line(&mut self, line: &str, reporter: &Reporter) {
        let (line, json) = parse_line_and_json(line);
        match line {
            Line::Event(Event::ReviewComplete(complete)) => {
                self.reviewed = Some(Reviewed {
                    result: Ok(complete.review),
                    stats: complete.stats,
                });
            }
            Line::Event(Event::ReviewFailed(failed)) => {
                self.reviewed = Some(Reviewed {
                    result: Err(failed.error),
                    stats: failed.stats,
                });
            }
            Line::Event(event) => {
                if let Some(json) = json {
                    reporter.ralph_event(&event, json);
                }
            }
            Line::Unknown { .. } | Line::Misfit { .. } | Line::Text(_) => {}
        }
    }

    fn error_line(&mut self, line: &str) {
        if self.lines.len() == KEPT_LINES {
            self.lines.remove(0);
        }
        self.lines.push(line.to_owned());
    }
}
