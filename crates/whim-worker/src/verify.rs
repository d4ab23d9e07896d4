//! Checks and reviews the pushed branch, and has the agent repair what fails because of its change.

mod base_branch;
mod checklist;
mod late_notes;
mod new_tests;

use std::time::Duration;

use ralph_contract::{ReviewFinding, SpecDocument};
use whim_core::protocol::checks::TestReport;
use whim_core::{BranchName, CommitHash, FailureCause, Stage};
use whim_service::chain::chain;

use crate::checks::{BaseResults, Checked, Checks, FailedCheck};
use crate::outcome::Failure;
use crate::ralph::{self, AgentRun};
use crate::report::Reporter;
use crate::review::{ReviewOutcome, Reviewer, required};
use crate::text::{counted, tail};
use crate::workspace::{self, Workspace};

/// Limit on the output of all failed checks in the reason of a failure.
const MAX_OUTPUT_CHARACTERS: usize = 4000;

/// The inputs of checking, reviewing and repairing.
#[derive(Debug)]
pub struct Verification<'a> {
    pub checks: Checks<'a>,
    /// For repairs; its limit of iterations is that of the attempt.
    pub agent: AgentRun<'a>,
    /// Limit of iterations for repairs, within that of the attempt. 0: red checks end the attempt.
    pub repair_iterations: u32,
    /// Whether the base is merged into a branch that lacks commits of it.
    pub merges_base: bool,
    /// `None` if reviews are switched off.
    pub reviewer: Option<Reviewer<'a>>,
    pub reporter: &'a Reporter,
}

/// The branch may be delivered.
#[derive(Debug)]
pub struct Verified {
    pub head: CommitHash,
    /// `None` if no checks were found.
    pub tests: Option<TestReport>,
    pub review: ReviewOutcome,
    /// Test files of the change that pass without the rest of it.
    pub untested: Vec<String>,
}

impl Verification<'_> {
    /// Brings the branch up to date with its base; `conflicts` gets the files where that is not possible. Then runs the checks,
    /// and repairs until they pass or the allowance is used up. Then the change is reviewed, and what must be acted on is given to
    /// the agent once. So are notes of people that arrived after the agent's last iteration. A commit that failed is checked again only in the next attempt.
    ///
    /// # Errors
    /// Required checks fail because of the change, a package registry cannot be reached, or the branch cannot be pushed.
    pub async fn run(
        &self,
        workspace: &mut Workspace,
        mut head: CommitHash,
        spec: &SpecDocument,
        conflicts: &mut Option<Vec<String>>,
    ) -> Result<Verified, Failure> {
        let mut base = BaseResults::default();
        let mut repairs = Repairs::default();
        let mut reviews = 0;
        let mut late_notes = LateNotes::default();
        *conflicts = self.update_from_base(workspace, spec, &mut repairs).await?;
        if let Some(updated) = workspace.remote_head() {
            head.clone_from(updated);
        }
        // Before the checks, which would run again.
        if let Some(changed) = self
            .follow_notes(workspace, spec, &mut late_notes, &mut repairs)
            .await
        {
            head = changed;
        }
        loop {
            self.reporter.stage(Stage::Testing);
            let checked = self.check(workspace, &head, repairs.rounds, &mut base).await?;
            let tests = match checked {
                None => None,
                Some(mut checked) => {
                    checked.report = self.reporter.redacted(&checked.report);
                    self.reporter.tests(&checked.report);
                    if !checked.failed.is_empty() {
                        let red = |repairs: &Repairs| checked.failure(repairs);
                        let allowance = self.repair_iterations.saturating_sub(repairs.iterations);
                        let task = Repair::checks(spec, &checked.failed);
                        let repaired = self
                            .repair(workspace, &task, spec, allowance, &mut repairs)
                            .await?;
                        head = repaired.ok_or_else(|| red(&repairs))?;
                        continue;
                    }
                    if let Some(line) = checked.unreachable_registry {
                        return Err(Failure::registry_unavailable(&line).with_tests(Some(checked.report)));
                    }
                    Some(checked.report)
                }
            };
            let review = match &self.reviewer {
                Some(reviewer) => {
                    self.reporter.stage(Stage::Reviewing);
                    reviews += 1;
                    reviewer.review(workspace, &head, spec, reviews).await
                }
                None => ReviewOutcome::Off,
            };
            let findings = match &review {
                ReviewOutcome::Reviewed(review) if reviews == 1 => required(review),
                ReviewOutcome::Reviewed(_) | ReviewOutcome::Failed(_) | ReviewOutcome::Off => Vec::new(),
            };
            if !findings.is_empty()
                && let Some(fixed) = self.fix(workspace, &findings, spec, &mut repairs).await
            {
                head = fixed;
                continue;
            }
            if let Some(changed) = self
                .follow_notes(workspace, spec, &mut late_notes, &mut repairs)
                .await
            {
                head = changed;
                continue;
            }
            return Ok(self.verified(workspace, head, tests, review).await);
        }
    }

    async fn verified(
        &self,
        workspace: &Workspace,
        head: CommitHash,
        tests: Option<TestReport>,
        review: ReviewOutcome,
    ) -> Verified {
        let untested = self.tests_that_pass_without_the_change(workspace, &head, tests.as_ref());
        let untested = untested.await;
        Verified {
            head,
            tests,
            review,
            untested,
        }
    }

    async fn check(
        &self,
        workspace: &Workspace,
        head: &CommitHash,
        repairs: u32,
        base: &mut BaseResults,
    ) -> Result<Option<Checked>, Failure> {
        let git_failed = |error| Failure::of_machine(chain(&error).to_string());
        let checkout = workspace
            .check_out_for_checks(head, &workspace::checkout_of_head(repairs))
            .await
            .map_err(git_failed)?;
        let merge_base = workspace.merge_base().await.map_err(git_failed)?;
        if let Some(old) = base.for_commit(&merge_base) {
            workspace::discard(&old).await;
        }
        let check_out_base = async || {
            let checkout = workspace
                .check_out_for_checks(&merge_base, workspace::CHECKOUT_OF_BASE)
                .await
                .map_err(git_failed)?;
            Ok((merge_base.clone(), checkout))
        };
        let report_progress =
            |step: &_, elapsed: Duration| self.reporter.tests_running(&format!("{step}"), elapsed);
        let checked = self
            .checks
            .run(&checkout, base, check_out_base, report_progress)
            .await;
        // Packages and build results of each round would fill the disk.
        workspace::discard(&checkout).await;
        checked
    }

    /// Gives findings to the agent once. Returns the new head, if there is one.
    async fn fix(
        &self,
        workspace: &mut Workspace,
        findings: &[&ReviewFinding],
        spec: &SpecDocument,
        repairs: &mut Repairs,
    ) -> Option<CommitHash> {
        let task = Repair::findings(spec, findings);
        let acted = self.act_on(workspace, &task, spec, repairs, "The findings");
        acted.await.head
    }

    /// Gives a task to the agent that the delivery does not depend on, so a failure prevents nothing.
    async fn act_on(
        &self,
        workspace: &mut Workspace,
        task: &Repair,
        spec: &SpecDocument,
        repairs: &mut Repairs,
        what: &str,
    ) -> Acted {
        let before = workspace.remote_head().cloned();
        // An allowance of its own: a fix that breaks a check can still be repaired.
        let mut own = Repairs {
            rounds: repairs.rounds,
            ..Repairs::default()
        };
        let result = self
            .repair(
                workspace,
                task,
                spec,
                self.repair_iterations.max(task.least_iterations),
                &mut own,
            )
            .await;
        repairs.rounds = own.rounds;
        let failed = match result {
            Ok(_) => own.gave_up,
            Err(failure) => Some(failure.reason().to_owned()),
        };
        if let Some(reason) = &failed {
            self.reporter
                .notice(&format!("{what} could not be acted on: {reason}"));
        }
        let after = workspace.remote_head().cloned();
        Acted {
            head: after.filter(|head| Some(head) != before.as_ref()),
            has_failed: failed.is_some(),
        }
    }

    /// Afterwards the agent's commits are pushed. Returns their head; `None` if there are none, or no iteration is left.
    async fn repair(
        &self,
        workspace: &mut Workspace,
        task: &Repair,
        spec: &SpecDocument,
        allowance: u32,
        repairs: &mut Repairs,
    ) -> Result<Option<CommitHash>, Failure> {
        let before = self.reporter.totals().iterations;
        let allowance = allowance.min(self.agent.max_iterations.saturating_sub(before));
        if allowance == 0 {
            return Ok(None);
        }
        self.reporter.notice(&format!(
            "{}. The agent gets up to {} for it",
            task.reason,
            counted(u64::from(allowance), "iteration")
        ));
        self.reporter.stage(Stage::Working);
        self.renew(workspace).await?;
        workspace
            .begin_repair(&task.checklist)
            .map_err(|error| Failure::new(FailureCause::Crash, format!("writing the checklist: {error}")))?;
        let run = AgentRun {
            max_iterations: before + allowance,
            ..self.agent
        };
        let head_before = workspace.remote_head().cloned();
        let reporter = self.reporter.for_repair(spec.clone());
        let result = Box::pin(ralph::work(&run, workspace, &task.checklist, &reporter)).await;
        repairs.rounds += 1;
        repairs.iterations += self.reporter.totals().iterations.saturating_sub(before);
        match result {
            Ok(_)
            | Err(Failure::Failed {
                cause: FailureCause::IterationsUsedUp,
                ..
            }) => {}
            Err(
                Failure::Stuck { reason, .. }
                | Failure::Failed {
                    cause: FailureCause::PushRefused,
                    reason,
                    ..
                },
            ) => repairs.gave_up = Some(reason),
            Err(failure @ Failure::Failed { .. }) => return Err(failure),
        }
        let head = workspace.remote_head().cloned();
        Ok(head.filter(|head| Some(head) != head_before.as_ref()))
    }
}

/// What became of a task that the delivery does not depend on.
struct Acted {
    /// The new head, if there is one.
    head: Option<CommitHash>,
    /// Whether the agent gave up or could not run.
    has_failed: bool,
}

/// What the agent has to repair.
struct Repair {
    /// For people.
    reason: String,
    checklist: SpecDocument,
    /// Also if repairs are switched off.
    least_iterations: u32,
}

/// Notes of people that arrived after the agent's last iteration.
#[derive(Debug, Default)]
struct LateNotes {
    /// How many notes of the run there were when the agent got an iteration for them.
    tried: usize,
    /// How often the agent was started for notes.
    rounds: u32,
}

impl Repair {
    fn checks(spec: &SpecDocument, failed: &[FailedCheck]) -> Self {
        let names: Vec<String> = failed.iter().map(|check| format!("`{}`", check.name)).collect();
        Self {
            reason: format!("Failed checks: {}", names.join(", ")),
            checklist: checklist::of_failed_checks(spec, failed),
            least_iterations: 0,
        }
    }

    fn conflict(spec: &SpecDocument, base: &BranchName, files: &[String]) -> Self {
        Self {
            reason: format!("The branch conflicts with {base}"),
            checklist: checklist::of_conflict(spec, base, files),
            least_iterations: 0,
        }
    }

    fn findings(spec: &SpecDocument, findings: &[&ReviewFinding]) -> Self {
        let count = counted(findings.len() as u64, "finding");
        Self {
            reason: format!("The review has {count} to act on"),
            checklist: checklist::of_findings(spec, findings),
            least_iterations: 0,
        }
    }

    fn notes(spec: &SpecDocument, count: usize) -> Self {
        Self {
            reason: format!(
                "{} arrived after the last iteration",
                counted(count as u64, "note")
            ),
            checklist: checklist::of_notes(spec),
            least_iterations: 1,
        }
    }
}

/// The repairs of this attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Repairs {
    rounds: u32,
    iterations: u32,
    /// Why the agent gave up.
    gave_up: Option<String>,
}

impl Checked {
    fn failure(&self, repairs: &Repairs) -> Failure {
        Failure::Failed {
            cause: FailureCause::TestsFailed,
            reason: describe(&self.failed, repairs),
            retry_after: None,
            tests: Some(self.report.clone()),
        }
    }
}

fn describe(failed: &[FailedCheck], repairs: &Repairs) -> String {
    let mut parts = Vec::new();
    if repairs.iterations > 0 {
        let iterations = counted(u64::from(repairs.iterations), "iteration");
        parts.push(format!("the agent could not repair the checks in {iterations}"));
    }
    if let Some(reason) = &repairs.gave_up {
        parts.push(reason.clone());
    }
    let limit = MAX_OUTPUT_CHARACTERS / failed.len().max(1);
    for check in failed {
        parts.push(check.to_string());
        let output = tail(&check.output, limit);
        if !output.is_empty() {
            parts.push(output.to_owned());
        }
    }
    parts.join("\n\n")
}
