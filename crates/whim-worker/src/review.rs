//! Reviews of the pushed change by a model that only reads: prepared here, reported to the orchestrator, and decided on by
//! [`crate::verify`].

use std::fs;
use std::io;
use std::num::NonZeroU32;

use ralph_contract::{Review, ReviewFinding, ReviewSeverity, SpecDocument};
use whim_client::WorkerClient;
use whim_core::protocol::reviews::{Finding, ReportReview, Severity, Verdict};
use whim_core::protocol::stats::WorkerStats;
use whim_core::redact::Redactor;
use whim_core::{CommitHash, RelativePath};
use whim_service::chain::chain;

use crate::ralph::{self, AgentRun, ReviewRun, Reviewed};
use crate::report::Reporter;
use crate::workspace::{self, Checkout, Workspace};

/// The name of the model if none is configured.
const DEFAULT_MODEL: &str = "default";

/// The inputs of all reviews of an attempt.
#[derive(Debug)]
pub struct Reviewer<'a> {
    /// With the reviewing model.
    pub agent: AgentRun<'a>,
    pub reporter: &'a Reporter,
    pub client: &'a WorkerClient,
}

/// The last review of the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewOutcome {
    /// Reviews are switched off.
    Off,
    /// With secrets masked.
    Reviewed(Review),
    /// Why there is no review.
    Failed(String),
}

impl Reviewer<'_> {
    /// Reviews the pushed head, and reports the review. `number` counts the reviews of the attempt, from 1.
    pub async fn review(
        &self,
        workspace: &Workspace,
        head: &CommitHash,
        spec: &SpecDocument,
        number: u32,
    ) -> ReviewOutcome {
        let redactor = self.reporter.redactor();
        let Reviewed { result, stats } = match self.ask(workspace, head, spec, number).await {
            Ok(reviewed) => reviewed,
            Err(error) => return self.failed(&error),
        };
        let review = match result {
            Ok(review) => redacted(review, redactor),
            Err(error) => {
                self.reporter.iteration_done(stats);
                return self.failed(&error);
            }
        };
        let used = WorkerStats::from(stats);
        let report = ReportReview {
            round: number,
            head_sha: head.clone(),
            verdict: verdict(&review),
            summary: review.summary.clone(),
            findings: review.findings.iter().map(finding).collect(),
            model: self.agent.model_name.unwrap_or(DEFAULT_MODEL).to_owned(),
            tokens: used.tokens,
            cost_usd: used.cost_usd,
        };
        if let Err(error) = self.client.report_review(&report).await {
            // It is in the pull request as well. What it cost counts for the attempt.
            self.reporter.iteration_done(stats);
            tracing::warn!(error = %chain(&error), "the review cannot be stored");
        }
        ReviewOutcome::Reviewed(review)
    }

    async fn ask(
        &self,
        workspace: &Workspace,
        head: &CommitHash,
        spec: &SpecDocument,
        number: u32,
    ) -> Result<Reviewed, String> {
        let name = workspace::checkout_of_review(number);
        let checkout = workspace
            .check_out_for_checks(head, &name)
            .await
            .map_err(|error| chain(&error).to_string())?;
        let reviewed = self.ask_in(workspace, &checkout, spec).await;
        workspace::discard(&checkout).await;
        reviewed
    }

    async fn ask_in(
        &self,
        workspace: &Workspace,
        checkout: &Checkout,
        spec: &SpecDocument,
    ) -> Result<Reviewed, String> {
        let patch = workspace
            .patch()
            .await
            .map_err(|error| chain(&error).to_string())?;
        // Beside the checkout, where the project has no file of that name.
        let (spec_file, diff_file) = (checkout.state.join("SPEC.md"), checkout.state.join("change.diff"));
        let write = || -> io::Result<()> {
            fs::create_dir_all(&checkout.state)?;
            fs::write(&spec_file, spec.as_str())?;
            fs::write(&diff_file, &patch)
        };
        write().map_err(|error| format!("writing the change: {error}"))?;
        let child_env = self
            .agent
            .child_env
            .isolated(&checkout.state)
            .map_err(|error| format!("preparing the review: {error}"))?;
        let run = ReviewRun {
            agent: AgentRun {
                child_env: &child_env,
                ..self.agent
            },
            directory: &checkout.directory,
            spec: &spec_file,
            diff: &diff_file,
        };
        Ok(Box::pin(ralph::review(&run, self.reporter)).await)
    }

    fn failed(&self, error: &str) -> ReviewOutcome {
        let error = self.reporter.redact(error);
        self.reporter.notice(&format!("The review failed: {error}"));
        ReviewOutcome::Failed(error)
    }
}

/// The findings that must be acted on before the change is delivered.
pub fn required(review: &Review) -> Vec<&ReviewFinding> {
    let findings = review.findings.iter();
    findings
        .filter(|finding| finding.severity == ReviewSeverity::Error)
        .collect()
}

fn verdict(review: &Review) -> Verdict {
    match review.findings.iter().map(|finding| finding.severity).min() {
        None => Verdict::Approved,
        Some(ReviewSeverity::Error) => Verdict::ChangesRequested,
        Some(ReviewSeverity::Warning | ReviewSeverity::Note) => Verdict::Commented,
    }
}

fn redacted(review: Review, redactor: &Redactor) -> Review {
    let mask = |text: String| redactor.redact(&text);
    Review {
        description: mask(review.description),
        summary: mask(review.summary),
        findings: review
            .findings
            .into_iter()
            .map(|finding| ReviewFinding {
                file: finding.file.map(mask),
                message: mask(finding.message),
                suggestion: finding.suggestion.map(mask),
                ..finding
            })
            .collect(),
    }
}

/// A path that no file of a repository can have is left out.
fn finding(finding: &ReviewFinding) -> Finding {
    let path = finding
        .file
        .as_deref()
        .and_then(|file| RelativePath::parse(file).ok());
    Finding {
        task: finding.task.and_then(NonZeroU32::new),
        line: finding.line.and_then(NonZeroU32::new).filter(|_| path.is_some()),
        path,
        severity: match finding.severity {
            ReviewSeverity::Error => Severity::Error,
            ReviewSeverity::Warning => Severity::Warning,
            ReviewSeverity::Note => Severity::Note,
        },
        message: finding.message.clone(),
        suggestion: finding.suggestion.clone(),
    }
}
