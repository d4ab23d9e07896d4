//! The phases of an attempt. Each phase consumes the result of the previous one.

use std::sync::Arc;
use std::time::Duration;

use ralph_contract::SpecDocument;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::preflight::PreflightSubject;
use whim_core::protocol::worker::{self, Assignment};
use whim_core::{CommitHash, FailureCause, Stage};
use whim_service::chain::chain;

use super::tools::Tools;
use crate::checks::{Checks, Limit};
use crate::delivery::{Delivery, EarlyDraft};
use crate::git::Git;
use crate::identity::{Identity, identity_of_token};
use crate::outcome::{Delivered, Failure};
use crate::policy::{Draft, MaxIterations, Policy};
use crate::preflight::{Examined, Findings, Preflight};
use crate::pull_request::{PullRequest, WorkState, is_finished};
use crate::ralph;
use crate::review::ReviewOutcome;
use crate::verify::{Verification, Verified};
use crate::workspace::{self, Layout, Trailers, Workspace};

/// Runs the phases up to the delivered pull request.
///
/// # Errors
/// Why the attempt ends without one.
pub(super) async fn run(registered: Registered<'_>) -> Result<Delivered, Failure> {
    let prepared = registered.prepare().await?;
    let ready = prepared.examine().await?;
    let worked = ready.work().await?;
    let checked = worked.check().await?;
    checked.deliver().await
}

/// The orchestrator has assigned a work item.
pub(super) struct Registered<'c> {
    pub(super) tools: Tools<'c>,
    pub(super) answer: worker::Registered,
}

/// The branch is checked out and can be pushed, and the checklist is written.
struct Prepared<'c> {
    tools: Tools<'c>,
    assigned: worker::Registered,
    workspace: Workspace,
    identity: Identity,
    spec: SpecDocument,
    findings: Findings,
    /// The person who asked for the work.
    requester: Option<Identity>,
}

/// Nothing is known that prevents the work from being done, checked and delivered.
struct Ready<'c> {
    prepared: Prepared<'c>,
    examined: Examined,
}

/// Every task is ticked, and every commit is pushed.
struct Worked<'c> {
    tools: Tools<'c>,
    assignment: Assignment,
    policy: Policy,
    /// Whether the rules of the branch allow merge commits.
    allows_merges: bool,
    identity: Identity,
    /// Limit of iterations of the attempt.
    max_iterations: u32,
    workspace: Workspace,
    head: CommitHash,
    spec: SpecDocument,
    /// Files in which the branch conflicts with its base, of which git may name none; `None` without a conflict.
    conflicts: Option<Vec<String>>,
    /// Test files of the change that pass without the rest of it.
    untested: Vec<String>,
}

/// No required check failed because of the change.
struct Checked<'c> {
    worked: Worked<'c>,
    tests: Option<TestReport>,
    review: ReviewOutcome,
}

impl<'c> Registered<'c> {
    async fn prepare(self) -> Result<Prepared<'c>, Failure> {
        let Self {
            tools,
            answer: assigned,
        } = self;
        tools.reporter.stage(Stage::Preparing);
        let config = tools.config;
        let unusable = |error: std::io::Error| {
            Failure::new(
                FailureCause::Crash,
                format!("WORKSPACE_DIR cannot be used: {error}"),
            )
        };
        let layout =
            Layout::create(&config.workspace_dir, config.child_env.directories()).map_err(unusable)?;
        let git = Git::new(
            config.child_env.clone(),
            &layout.private,
            &config.github.git_url,
            &assigned.work_item.repo,
            tools.github_token.clone(),
            config.github.git_timeout,
            Arc::clone(&tools.redactor),
        )
        .map_err(unusable)?;
        let Assignment { repo, branch, .. } = &assigned.work_item;
        let retry_timeout = config.github.retry_timeout;
        let api = tools.api()?;
        let ready = workspace::prepare(
            git,
            layout,
            &assigned.work_item,
            retry_timeout,
            tools.own_secrets(),
            async |head: &CommitHash| is_finished(&api, repo, branch, head, retry_timeout).await,
        )
        .await;
        let mut findings = Findings::default();
        let ready = match findings.result(PreflightSubject::Repository, ready) {
            Ok(ready) => ready,
            Err(failure) => {
                if failure.is_about_repository() {
                    tools.report_preflight(None, &findings).await;
                }
                return Err(failure);
            }
        };
        ready.report_resumed(&tools.reporter);
        // Of an attempt that has one workspace.
        let _set_once = tools.new_learnings.set(ready.workspace.new_learnings());
        tools
            .reporter
            .notes()
            .place(ready.workspace.notes_file())
            .map_err(|error| Failure::of_machine(format!("writing the notes for the agent: {error}")))?;
        let identity = match &config.agent.identity {
            Some(identity) => identity.clone(),
            None => identity_of_token(&api, &config.github.host, retry_timeout).await?,
        };
        let requester = match &assigned.work_item.requested_by {
            Some(login) => Identity::of_person(&api, login, &config.github.host, retry_timeout).await,
            None => None,
        };
        Ok(Prepared {
            tools,
            assigned,
            workspace: ready.workspace,
            identity,
            spec: ready.spec,
            findings,
            requester,
        })
    }
}

impl<'c> Prepared<'c> {
    async fn examine(mut self) -> Result<Ready<'c>, Failure> {
        let tools = &self.tools;
        let Tools { config, reporter, .. } = tools;
        let preflight = Preflight {
            api: &tools.api()?,
            retry_timeout: config.github.retry_timeout,
            repo: &self.assigned.work_item.repo,
            identity: &self.identity,
            workspace: &self.workspace,
            child_env: &config.child_env,
            limit: Limit::of(config),
            mcp_servers: &tools.mcp_servers,
        };
        let report_progress =
            |step: &_, elapsed: Duration| reporter.tests_running(&format!("{step}"), elapsed);
        let examined = preflight.run(&mut self.findings, report_progress).await;
        for warning in self.findings.warnings() {
            reporter.notice(warning);
        }
        tools
            .report_preflight(Some(self.workspace.base()), &self.findings)
            .await;
        let examined = examined?;
        if !examined.policy.setup.is_empty() {
            let failed = |error| Failure::of_machine(chain(&error).to_string());
            self.workspace.accept_untracked().await.map_err(failed)?;
        }
        Ok(Ready {
            prepared: self,
            examined,
        })
    }
}

impl<'c> Ready<'c> {
    async fn work(self) -> Result<Worked<'c>, Failure> {
        let Self { prepared, examined } = self;
        let Examined {
            policy,
            allows_merges,
            mcp_servers,
            instructions,
        } = examined;
        let Prepared {
            mut tools,
            assigned,
            mut workspace,
            identity,
            spec,
            findings: _,
            requester,
        } = prepared;
        let assignment = assigned.work_item;
        let trailers = Trailers {
            work_item: assignment.id,
            co_author: requester.filter(|requester| *requester != identity),
            sign_off: policy.sign_off.then(|| identity.clone()),
        };
        workspace
            .add_trailers(trailers)
            .map_err(|error| Failure::of_machine(format!("writing the hook of commits: {error}")))?;
        tools
            .write_agent_files(
                workspace.private_directory(),
                &mcp_servers,
                instructions.as_deref(),
            )
            .map_err(|error| Failure::of_machine(format!("writing files for the agent: {error}")))?;
        tools.reporter.stage(Stage::Working);
        let limit = policy.max_iterations.map_or(u32::MAX, MaxIterations::get);
        let max_iterations = assigned.max_iterations.min(limit);
        let run = tools.agent_run(&policy, &identity, max_iterations);
        let early = EarlyDraft {
            api: &tools.api()?,
            reporter: &tools.reporter,
            retry_timeout: tools.config.github.retry_timeout,
            assignment: &assignment,
            base: workspace.base().clone(),
            template: workspace.pull_request_template().await,
            model: tools.model_name(&policy),
        };
        let opens_early = policy.draft == Draft::Early;
        let done = {
            let mut work = Box::pin(ralph::work(&run, &mut workspace, &spec, &tools.reporter));
            tokio::select! {
                done = &mut work => done,
                () = early.open(), if opens_early => work.await,
            }
        }?;
        Ok(Worked {
            tools,
            assignment,
            policy,
            allows_merges,
            identity,
            max_iterations,
            workspace,
            head: done.head,
            spec: done.spec,
            conflicts: None,
            untested: Vec::new(),
        })
    }
}

impl<'c> Worked<'c> {
    async fn check(mut self) -> Result<Checked<'c>, Failure> {
        let git_failed = |error| Failure::of_machine(chain(&error).to_string());
        let workspace = &mut self.workspace;
        if workspace.commits_ahead().await.map_err(git_failed)? == 0 {
            return Err(Failure::Stuck {
                reason: format!(
                    "every task is ticked, but {} has no commits that are not in {}",
                    workspace.branch(),
                    workspace.base()
                ),
                iterations_without_progress: 0,
            });
        }
        let verification = Verification {
            checks: Checks::new(&self.policy, self.tools.config),
            agent: self
                .tools
                .agent_run(&self.policy, &self.identity, self.max_iterations),
            repair_iterations: self.tools.config.repair_iterations,
            merges_base: self.allows_merges,
            reviewer: self.tools.reviewer(&self.policy, &self.identity),
            reporter: &self.tools.reporter,
        };
        let verified = verification
            .run(workspace, self.head.clone(), &self.spec, &mut self.conflicts)
            .await;
        let Verified {
            head,
            tests,
            review,
            untested,
        } = match verified {
            Ok(verified) => verified,
            Err(failure) => return Err(self.deliver_red(failure).await),
        };
        self.head = head;
        self.untested = untested;
        Ok(Checked {
            tests,
            review,
            worked: self,
        })
    }
}

impl Worked<'_> {
    /// Opens the pull request of the pushed head, or brings it up to date.
    async fn deliver(
        &self,
        tests: Option<&TestReport>,
        review: &ReviewOutcome,
        state: WorkState,
    ) -> Result<PullRequest, Failure> {
        let tools = &self.tools;
        tools.reporter.stage(Stage::Delivering);
        let delivery = Delivery {
            api: &tools.api()?,
            reporter: &tools.reporter,
            retry_timeout: tools.config.github.retry_timeout,
            assignment: &self.assignment,
            workspace: &self.workspace,
            head: self.workspace.remote_head().unwrap_or(&self.head),
            spec: &self.spec,
            tests,
            review,
            model: tools.model_name(&self.policy),
            policy: &self.policy,
            state,
            conflicts: self.conflicts.as_deref(),
            untested: &self.untested,
            unheeded_notes: &tools.reporter.notes().unheeded(),
        };
        delivery.deliver().await
    }

    /// Red work is delivered as a draft, so that people find it. Returns the failure, with the link.
    async fn deliver_red(&self, failure: Failure) -> Failure {
        let Failure::Failed {
            cause: FailureCause::TestsFailed,
            mut reason,
            retry_after,
            tests,
        } = failure
        else {
            return failure;
        };
        if self.policy.draft != Draft::Never {
            match self
                .deliver(tests.as_ref(), &ReviewOutcome::Off, WorkState::Red)
                .await
            {
                Ok(opened) => {
                    let kind = if opened.is_draft {
                        "draft pull request"
                    } else {
                        "pull request"
                    };
                    let url = opened.html_url;
                    reason = format!("The work is in a {kind}, and checks fail: {url}\n\n{reason}");
                }
                Err(error) => {
                    let message = format!("No draft pull request could be opened: {}", error.reason());
                    self.tools.reporter.notice(&message);
                }
            }
        }
        Failure::Failed {
            cause: FailureCause::TestsFailed,
            reason,
            retry_after,
            tests,
        }
    }
}

impl Checked<'_> {
    async fn deliver(self) -> Result<Delivered, Failure> {
        let Self {
            worked,
            tests,
            review,
        } = self;
        let opened = worked
            .deliver(tests.as_ref(), &review, WorkState::Green)
            .await
            .map_err(|failure| failure.with_tests(tests.clone()))?;
        Ok(Delivered {
            url: opened.html_url,
            number: opened.number,
            head: worked.head,
            spec: worked.spec.as_str().to_owned(),
            tests,
        })
    }
}
