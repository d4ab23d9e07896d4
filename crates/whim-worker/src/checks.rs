//! The project's checks: from its policy or detected, run with limits, and compared with the base.
//!
//! They run on a clean checkout of the pushed branch, without any secret in their environment. What fails there runs on the
//! base of the branch as well, because only what works without the change is a failure of the change. The base is checked
//! after a failure and not before: most changes pass, and a run of all checks costs as much as the one on the head.

mod counts;
mod detect;
mod execute;
mod plan;
mod registry;
mod report;
mod run;
mod shell;
mod tools;
mod verdict;

use std::collections::HashMap;
use std::time::Duration;

use whim_core::protocol::checks::CheckOutcome;
use whim_core::{CommitHash, FailureCause};

pub use self::counts::{Counts, counts};
pub use self::detect::detect;
pub use self::execute::Limit;
use self::execute::{Execution, ExecutionResult, Executor};
pub use self::plan::{Check, Plan, Step};
pub use self::report::{Checked, FailedCheck};
pub use self::tools::{MissingTool, Tools};
use self::verdict::Base;
use crate::cgroup::{ControlGroup, LimitHits};
use crate::child_env::ChildEnvironment;
use crate::config::Config;
use crate::outcome::Failure;
use crate::policy::Policy;
use crate::workspace::Checkout;

/// How the checks of a repository are run.
#[derive(Clone, Copy, Debug)]
pub struct Checks<'a> {
    pub policy: &'a Policy,
    pub child_env: &'a ChildEnvironment,
    pub limit: Limit,
}

/// Results of an attempt on the base of its branch, as long as that is one commit.
#[derive(Debug, Default)]
pub struct BaseResults {
    /// The commit, and its checkout.
    checkout: Option<(CommitHash, Checkout)>,
    by_check: HashMap<String, Base>,
}

impl BaseResults {
    /// Forgets the results if the base is another commit than before. Returns the checkout that is not needed any more.
    pub fn for_commit(&mut self, commit: &CommitHash) -> Option<Checkout> {
        match &self.checkout {
            Some((known, _)) if known != commit => {
                self.by_check.clear();
                self.checkout.take().map(|(_, checkout)| checkout)
            }
            Some(_) | None => None,
        }
    }
}

impl<'a> Checks<'a> {
    pub fn new(policy: &'a Policy, config: &'a Config) -> Self {
        Self {
            policy,
            child_env: &config.child_env,
            limit: Limit::of(config),
        }
    }

    /// The checks of a checkout.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn plan(&self, checkout: &Checkout) -> Result<Plan, Failure> {
        let tools = Tools::on(self.child_env.search_path());
        Plan::new(self.policy, || {
            detect(&checkout.directory, &checkout.state, &tools)
        })
        .map_err(|error| Failure::of_machine(format!("detecting the project's checks failed: {error}")))
    }

    /// Runs only the setup of the policy. `Err` in `Ok` is why it failed.
    ///
    /// # Errors
    /// A failure of this machine.
    pub async fn set_up(
        &self,
        checkout: &Checkout,
        report_progress: impl FnMut(&Step, Duration),
    ) -> Result<Result<(), SetupFailure>, Failure> {
        let setup = self.policy.setup.iter().map(Step::shell).collect();
        let plan = Plan {
            setup,
            checks: Vec::new(),
        };
        // With the agent's home: what the setup installs there is for the agent.
        let env = self.child_env.clone();
        let executor = Executor::prepare(checkout, env, self.limit, &plan, report_progress).await?;
        Ok(match executor.setup_failure() {
            None => Ok(()),
            Some(failure) => Err(SetupFailure {
                description: format!("`{}`: {}\n\n{}", failure.command, failure.end, failure.output),
                unreachable_registry: unreachable(&failure.result).map(str::to_owned),
            }),
        })
    }

    /// Runs the checks of the head, and those that do not pass on the base. Returns `None` if there are none.
    ///
    /// `check_out_base` is called if a check does not pass and there is no checkout of the base yet. `report_progress` is
    /// called with the running command and its elapsed time, at the start of each command and then periodically.
    ///
    /// # Errors
    /// A failure of this machine, or a limit of the container was reached.
    pub async fn run(
        &self,
        head: &Checkout,
        base: &mut BaseResults,
        check_out_base: impl AsyncFnOnce() -> Result<(CommitHash, Checkout), Failure>,
        mut report_progress: impl FnMut(&Step, Duration),
    ) -> Result<Option<Checked>, Failure> {
        let plan = self.plan(head)?;
        if plan.checks.is_empty() {
            tracing::info!("the project has no checks that Whim can run");
            return Ok(None);
        }
        let group = ControlGroup::of_this_container();
        let hits_before = group.limit_hits();
        let limit_reached = || group.limit_hits().since(hits_before);
        let mut executor = self.executor(head, &plan, &mut report_progress).await?;
        let mut executions = Vec::new();
        for check in &plan.checks {
            executions.push(executor.run(check).await?);
        }
        drop(executor);
        let failing: Vec<&Check> = not_passed(&plan, &executions).collect();
        if let Some(execution) = executions
            .iter()
            .find(|found| found.result != ExecutionResult::Passed)
        {
            refuse_limit(limit_reached(), execution)?;
            // Whether a registry can be reached is asked again.
            for (check, execution) in plan.checks.iter().zip(&executions) {
                if unreachable(&execution.result).is_some() {
                    base.by_check.remove(&check.name);
                }
            }
            self.run_on_base(&failing, base, check_out_base, &mut report_progress)
                .await?;
            refuse_limit(limit_reached(), execution)?;
        }
        let judged = plan.checks.iter().zip(executions);
        let absent = Base::Absent;
        let mut results = Vec::new();
        for (check, mut execution) in judged {
            let of_base = base.by_check.get(&check.name).unwrap_or(&absent);
            let mut outcome = verdict::of_failure(&execution, of_base);
            let was_unreachable = unreachable(&execution.result).is_some();
            if was_unreachable && outcome == CheckOutcome::Failed {
                // The registry answers again, as the base shows.
                let mut executor = self.executor(head, &plan, &mut report_progress).await?;
                execution = executor.run(check).await?;
                outcome = verdict::of_failure(&execution, of_base);
            }
            let on_base = match of_base {
                Base::Executed(execution) => unreachable(&execution.result),
                Base::Absent => None,
            };
            results.push(report::Judged {
                check,
                outcome,
                base: of_base.outcome().filter(|_| outcome != CheckOutcome::Passed),
                unreachable: unreachable(&execution.result).or(on_base).map(str::to_owned),
                execution,
            });
        }
        base.by_check.retain(|_, result| match result {
            Base::Executed(execution) => unreachable(&execution.result).is_none(),
            Base::Absent => true,
        });
        Ok(Some(report::checked(&results)))
    }

    /// Runs the required checks of a checkout alone. Returns how many tests passed, if all checks pass and print it.
    ///
    /// # Errors
    /// A failure of this machine.
    pub async fn count_passing(
        &self,
        checkout: &Checkout,
        report_progress: impl FnMut(&Step, Duration),
    ) -> Result<Option<u32>, Failure> {
        let plan = self.plan(checkout)?;
        let mut executor = self.executor(checkout, &plan, report_progress).await?;
        let mut passed = None;
        for check in plan.checks.iter().filter(|check| check.required) {
            let execution = executor.run(check).await?;
            if execution.result != ExecutionResult::Passed {
                return Ok(None);
            }
            if let Some(counts) = execution.counts {
                passed = Some(passed.unwrap_or(0) + counts.passed);
            }
        }
        Ok(passed)
    }

    /// Prepares a clean checkout for its checks, with a home of its own: what the agent, or checks of another checkout, left in
    /// theirs must decide nothing.
    async fn executor<'e, Report: FnMut(&Step, Duration)>(
        &self,
        checkout: &'e Checkout,
        plan: &Plan,
        report_progress: Report,
    ) -> Result<Executor<'e, Report>, Failure> {
        let env = self
            .child_env
            .isolated(&checkout.state)
            .map_err(|error| Failure::of_machine(format!("creating a directory for the checks: {error}")))?;
        Executor::prepare(checkout, env, self.limit, plan, report_progress).await
    }

    /// Runs those of the failing checks on the base whose result there is not known yet.
    async fn run_on_base(
        &self,
        failing: &[&Check],
        base: &mut BaseResults,
        check_out: impl AsyncFnOnce() -> Result<(CommitHash, Checkout), Failure>,
        report_progress: impl FnMut(&Step, Duration),
    ) -> Result<(), Failure> {
        let unknown: Vec<&&Check> = failing
            .iter()
            .filter(|check| !base.by_check.contains_key(&check.name))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let checkout = match base.checkout.take() {
            Some(checkout) => checkout,
            None => check_out().await?,
        };
        let (_, checkout) = &*base.checkout.insert(checkout);
        let plan = self.plan(checkout)?;
        tracing::info!("running the checks that do not pass on the base");
        let mut executor = self.executor(checkout, &plan, report_progress).await?;
        for check in unknown {
            let result = match plan.check(&check.name) {
                Some(of_base) => Base::Executed(executor.run(of_base).await?),
                None => Base::Absent,
            };
            base.by_check.insert(check.name.clone(), result);
        }
        Ok(())
    }
}

/// The setup of a policy failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupFailure {
    /// The command, how it ended, and the end of its output.
    pub description: String,
    /// What a package manager printed that could not reach its registry.
    pub unreachable_registry: Option<String>,
}

fn not_passed<'p>(plan: &'p Plan, executions: &[Execution]) -> impl Iterator<Item = &'p Check> {
    let pairs = plan.checks.iter().zip(executions);
    pairs
        .filter(|(_, execution)| execution.result != ExecutionResult::Passed)
        .map(|(check, _)| check)
}

fn unreachable(result: &ExecutionResult) -> Option<&str> {
    match result {
        ExecutionResult::RegistryUnreachable { line } => Some(line),
        ExecutionResult::Passed
        | ExecutionResult::Failed
        | ExecutionResult::Unprepared
        | ExecutionResult::ToolMissing { .. } => None,
    }
}

/// If a limit of the container was reached, the results say nothing about the change.
fn refuse_limit(hits: LimitHits, execution: &Execution) -> Result<(), Failure> {
    let Some(limit) = hits.describe() else {
        return Ok(());
    };
    let Execution {
        command, end, output, ..
    } = execution;
    Err(Failure::new(
        FailureCause::Resources,
        format!("the project's checks failed: `{command}`; {end}; {limit}\n\n{output}"),
    ))
}
