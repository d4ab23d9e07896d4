//! Checks the pushed branch, and has the agent repair what fails because of its change.

mod checklist;

use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::protocol::checks::TestReport;
use whim_core::{CommitHash, FailureCause, Stage};
use whim_service::chain::chain;

use crate::checks::{BaseResults, Checked, Checks, FailedCheck};
use crate::outcome::Failure;
use crate::ralph::{self, AgentRun};
use crate::report::Reporter;
use crate::text::{counted, tail};
use crate::workspace::{self, Workspace};

/// Limit on the output of all failed checks in the reason of a failure.
const MAX_OUTPUT_CHARACTERS: usize = 4000;

/// The inputs of checking and repairing.
#[derive(Debug)]
pub struct Verification<'a> {
    pub checks: Checks<'a>,
    /// For repairs; its limit of iterations is that of the attempt.
    pub agent: AgentRun<'a>,
    /// Limit of iterations for repairs, within that of the attempt. 0: red checks end the attempt.
    pub repair_iterations: u32,
    pub reporter: &'a Reporter,
}

/// The branch may be delivered.
#[derive(Debug)]
pub struct Verified {
    pub head: CommitHash,
    /// `None` if no checks were found.
    pub tests: Option<TestReport>,
}

impl Verification<'_> {
    /// Runs the checks, and repairs until they pass or the allowance is used up. A commit that failed is checked again only
    /// in the next attempt.
    ///
    /// # Errors
    /// Required checks fail because of the change, or a package registry cannot be reached.
    pub async fn run(
        &self,
        workspace: &mut Workspace,
        mut head: CommitHash,
        spec: &SpecDocument,
    ) -> Result<Verified, Failure> {
        let mut base = BaseResults::default();
        let mut repairs = Repairs::default();
        loop {
            self.reporter.stage(Stage::Testing);
            let Some(checked) = self.check(workspace, &head, repairs.rounds, &mut base).await? else {
                return Ok(Verified { head, tests: None });
            };
            let Checked {
                report,
                failed,
                unreachable_registry,
            } = checked;
            self.reporter.tests(&report);
            if failed.is_empty() {
                return match unreachable_registry {
                    Some(line) => Err(Failure::registry_unavailable(&line).with_tests(Some(report))),
                    None => Ok(Verified {
                        head,
                        tests: Some(report),
                    }),
                };
            }
            let red = |repairs: &Repairs| Failure::Failed {
                cause: FailureCause::TestsFailed,
                reason: describe(&failed, repairs),
                retry_after: None,
                tests: Some(report.clone()),
            };
            let allowance = self.allowance(&repairs);
            if allowance == 0 {
                return Err(red(&repairs));
            }
            self.repair(workspace, &failed, spec, allowance, &mut repairs)
                .await?;
            match workspace.remote_head() {
                Some(repaired) if *repaired != head => head.clone_from(repaired),
                Some(_) | None => return Err(red(&repairs)),
            }
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
        let check_out_base = async || {
            let base = workspace.merge_base().await.map_err(git_failed)?;
            workspace
                .check_out_for_checks(&base, workspace::CHECKOUT_OF_BASE)
                .await
                .map_err(git_failed)
        };
        let report_progress =
            |step: &_, elapsed: Duration| self.reporter.tests_running(&format!("{step}"), elapsed);
        self.checks
            .run(&checkout, base, check_out_base, report_progress)
            .await
    }

    /// Iterations that are left for repairs.
    fn allowance(&self, repairs: &Repairs) -> u32 {
        let used = self.reporter.totals().iterations;
        let of_attempt = self.agent.max_iterations.saturating_sub(used);
        self.repair_iterations
            .saturating_sub(repairs.iterations)
            .min(of_attempt)
    }

    /// Afterwards the agent's commits are pushed.
    async fn repair(
        &self,
        workspace: &mut Workspace,
        failed: &[FailedCheck],
        spec: &SpecDocument,
        allowance: u32,
        repairs: &mut Repairs,
    ) -> Result<(), Failure> {
        let names: Vec<String> = failed.iter().map(|check| format!("`{}`", check.name)).collect();
        self.reporter.notice(&format!(
            "Failed checks: {}. The agent gets up to {} to repair them",
            names.join(", "),
            counted(u64::from(allowance), "iteration")
        ));
        self.reporter.stage(Stage::Working);
        let checklist = checklist::of_repair(spec, failed);
        workspace
            .begin_repair(&checklist)
            .map_err(|error| Failure::new(FailureCause::Crash, format!("writing the checklist: {error}")))?;
        let run = AgentRun {
            max_iterations: self.reporter.totals().iterations + allowance,
            ..self.agent
        };
        let before = self.reporter.totals().iterations;
        let reporter = self.reporter.for_repair(spec.clone());
        let result = Box::pin(ralph::work(&run, workspace, &checklist, &reporter)).await;
        repairs.rounds += 1;
        repairs.iterations += self.reporter.totals().iterations.saturating_sub(before);
        match result {
            Ok(_)
            | Err(Failure::Failed {
                cause: FailureCause::IterationsUsedUp,
                ..
            }) => Ok(()),
            Err(Failure::Stuck { reason, .. }) => {
                repairs.note = Some(reason);
                Ok(())
            }
            Err(failure @ Failure::Failed { .. }) => Err(failure),
        }
    }
}

/// The repairs of this attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Repairs {
    rounds: u32,
    iterations: u32,
    /// Why the agent gave up.
    note: Option<String>,
}

fn describe(failed: &[FailedCheck], repairs: &Repairs) -> String {
    let mut parts = Vec::new();
    if repairs.iterations > 0 {
        let iterations = counted(u64::from(repairs.iterations), "iteration");
        parts.push(format!("the agent could not repair the checks in {iterations}"));
    }
    if let Some(note) = &repairs.note {
        parts.push(format!("the agent gave up: {note}"));
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
