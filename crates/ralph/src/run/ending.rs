//! Whether to start another iteration.

use ralph_contract::{Warning, WarningKind};

use super::iteration::Report;
use crate::verdict::Verdict;

/// Failed iterations in a row after which the run fails.
const MAX_FAILURES: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete { tasks_done: u32 },
    Stuck { reason: String, without_progress: u32 },
    IterationsUsedUp { error: String },
    Failed { error: String },
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// To be reported first.
    pub(crate) warning: Option<Warning>,
    /// `None` if the run continues.
    pub(crate) ending: Option<Ending>,
}

impl From<Ending> for Decision {
    fn from(ending: Ending) -> Self {
        Self {
            warning: None,
            ending: Some(ending),
        }
    }
}

/// Counts over the iterations so far.
#[derive(Debug)]
pub(crate) struct Tally {
    stuck_threshold: u32,
    iterations: u32,
    without_progress: u32,
    failures: u32,
    printed: bool,
}

impl Tally {
    pub(crate) fn new(stuck_threshold: u32) -> Self {
        Self {
            stuck_threshold,
            iterations: 0,
            without_progress: 0,
            failures: 0,
            printed: false,
        }
    }

    pub(crate) fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Counts an iteration that left tasks open, and decides whether it was the last one.
    ///
    /// `stuck` is the reason that the agent gave for being stuck.
    pub(crate) fn after(&mut self, report: Report, stuck: Option<String>) -> Decision {
        self.iterations += 1;
        self.printed |= report.printed;
        if report.has_progress {
            self.without_progress = 0;
            self.failures = 0;
        } else {
            self.without_progress += 1;
        }
        let failure = match report.verdict {
            Verdict::Worked => None,
            Verdict::Failed(error) => Some(error),
            Verdict::Provider(trouble) => {
                let error = trouble.summary();
                return Decision {
                    warning: Some(trouble.warning()),
                    ending: Some(Ending::Failed { error }),
                };
            }
        };
        if let Some(reason) = stuck {
            return self.stuck(reason).into();
        }
        match failure {
            Some(error) => self.after_failure(error, report.has_progress),
            None => {
                self.failures = 0;
                let last = report
                    .rejection
                    .map(|rejection| format!("; in the last one {}", rejection.what()));
                self.if_stuck(&last.unwrap_or_default())
                    .map_or_else(Decision::default, Decision::from)
            }
        }
    }

    fn after_failure(&mut self, error: String, has_progress: bool) -> Decision {
        if !has_progress {
            self.failures += 1;
            if !self.printed {
                let error = format!("{error}; it printed nothing, so it is not retried");
                return Ending::Failed { error }.into();
            }
        }
        if self.failures >= MAX_FAILURES {
            let error = format!("{MAX_FAILURES} iterations in a row failed, the last one with: {error}");
            return Ending::Failed { error }.into();
        }
        Decision {
            ending: self.if_stuck(&format!("; the last one failed: {error}")),
            warning: Some(Warning {
                kind: WarningKind::IterationFailed,
                message: error,
                files: Vec::new(),
                resets_at: None,
            }),
        }
    }

    fn if_stuck(&self, last: &str) -> Option<Ending> {
        let count = self.without_progress;
        let iterations = if count == 1 {
            "iteration"
        } else {
            "iterations in a row"
        };
        let reason = format!("{count} {iterations} ticked no box and made no commit{last}");
        (count >= self.stuck_threshold).then(|| self.stuck(reason))
    }

    fn stuck(&self, reason: String) -> Ending {
        Ending::Stuck {
            reason,
            without_progress: self.without_progress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Trouble, TroubleKind};

    fn failed() -> Verdict {
        Verdict::Failed("exit code 1".to_owned())
    }

    /// The ending after each of several iterations, given as (verdict, has progress).
    fn play(threshold: u32, reports: Vec<(Verdict, bool)>) -> Vec<Option<Ending>> {
        let mut tally = Tally::new(threshold);
        let reports = reports.into_iter();
        reports
            .map(|(verdict, has_progress)| {
                let report = Report {
                    verdict,
                    has_progress,
                    rejection: None,
                    printed: true,
                };
                tally.after(report, None).ending
            })
            .collect()
    }

    #[test]
    fn progress_resets_both_counts() {
        let worked = || (Verdict::Worked, false);
        let endings = play(
            3,
            vec![
                worked(),
                worked(),
                (Verdict::Worked, true),
                worked(),
                worked(),
                worked(),
            ],
        );
        assert_eq!(endings[..5], vec![None; 5]);
        assert!(matches!(
            endings[5],
            Some(Ending::Stuck {
                without_progress: 3,
                ..
            })
        ));
        let endings = play(
            9,
            vec![
                (failed(), false),
                (failed(), false),
                (failed(), true),
                (failed(), false),
            ],
        );
        assert_eq!(endings, vec![None; 4]);
    }

    #[test]
    fn three_failures_in_a_row_fail_the_run_unless_the_stuck_threshold_is_reached_before() {
        let endings = play(9, vec![(failed(), false), (failed(), false), (failed(), false)]);
        assert!(matches!(&endings[2], Some(Ending::Failed { error }) if error.contains("exit code 1")));
        let endings = play(2, vec![(failed(), false), (failed(), false)]);
        assert!(matches!(&endings[1], Some(Ending::Stuck { reason, .. }) if reason.contains("exit code 1")));
    }

    #[test]
    fn a_problem_of_the_provider_ends_the_run_without_another_iteration() {
        let trouble = Trouble {
            kind: TroubleKind::Limited,
            message: "resets 8pm".to_owned(),
            resets_at: None,
        };
        let endings = play(3, vec![(Verdict::Provider(trouble), true)]);
        assert!(matches!(&endings[0], Some(Ending::Failed { error }) if error.contains("resets 8pm")));
    }
}
