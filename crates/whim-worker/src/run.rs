//! The phases of an attempt. Each phase consumes the result of the previous one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use ralph_contract::SpecDocument;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use whim_client::{ClientError, Timing, WorkerClient};
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::worker::{self, Assignment};
use whim_core::redact::Redactor;
use whim_core::{CommitHash, FailureCause, Stage, WorkerToken};
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;

use crate::checks::Checks;
use crate::config::Config;
use crate::credentials::{Credentials, ModelCredential};
use crate::delivery::Delivery;
use crate::git::Git;
use crate::identity::{Identity, identity_of_token};
use crate::locks::LockClient;
use crate::outcome::{Delivered, Ending, Failure, FinalReport};
use crate::policy::{Draft, MaxIterations, ModelName, Policy};
use crate::preflight::preflight;
use crate::pull_request::{Api, PullRequest, is_finished};
use crate::ralph::{self, AgentRun};
use crate::report::{self, Fenced, Reporter, Unreported};
use crate::review::{ReviewOutcome, Reviewer};
use crate::verify::{Verification, Verified};
use crate::workspace::{self, Layout, NewLearnings, OwnSecrets, Workspace};

/// The sender does its own retries while the lease lasts.
const TIMING: Timing = Timing {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(10),
    retries: 0,
    first_delay: Duration::from_millis(200),
    longest_delay: Duration::from_secs(5),
};

/// Less than the orchestrator's default `REGISTER_TIMEOUT_SECONDS`, after which it terminates the worker.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(100);
/// How long the final report waits for the end of the transcript.
const FLUSH_BEFORE_REPORT: Duration = Duration::from_secs(5);
/// How long the worker exits later for it. Less than the time that the orchestrator leaves it.
const FLUSH_AFTER_REPORT: Duration = Duration::from_secs(10);

const REGISTER_BACKOFF: ExponentialBuilder =
    backoff::exponential(Duration::from_millis(500), MAX_REGISTER_DELAY);
const MAX_REGISTER_DELAY: Duration = Duration::from_secs(2);

/// Runs the attempt from registration to the final report.
///
/// # Errors
/// The worker could not register, or its final report was rejected.
pub async fn run_attempt(config: &Config, credentials: Credentials) -> anyhow::Result<Ending> {
    let paths = Layout::shown_paths(&config.workspace_dir, config.repair_iterations);
    let redactor = Arc::new(credentials.redactor().hiding(paths));
    let client = WorkerClient::new(
        config.orchestrator_url.clone(),
        config.worker_id,
        &credentials.worker_token,
        TIMING,
    )
    .context("creating the orchestrator client")?;
    let requested_at = Instant::now();
    let Some(answer) = register(&client).await? else {
        return Ok(Ending::Fenced);
    };
    let (reporter, mut sender, mut uploader) = report::open(
        client.clone(),
        &answer,
        requested_at,
        config.reporting,
        Arc::clone(&redactor),
    );
    let new_learnings = Arc::new(OnceLock::<NewLearnings>::new());
    let registered = Registered {
        tools: Tools {
            config,
            worker_token: credentials.worker_token,
            github_token: credentials.github_token,
            model: credentials.model,
            redactor: Arc::clone(&redactor),
            client: client.clone(),
            lock_client: LockClient::new(client, reporter.clone(), config.agent.lock_wait_timeout),
            reporter: reporter.clone(),
            new_learnings: Arc::clone(&new_learnings),
        },
        answer,
    };
    let result = tokio::select! {
        // The sender first: a worker that was suspended detects a lost lease before it does anything else.
        biased;
        Fenced = sender.until_fenced() => return Ok(Ending::Fenced),
        result = Box::pin(run_phases(registered)) => result,
        never = uploader.run() => match never {},
    };
    // The final report does not depend on the transcript.
    tokio::select! {
        biased;
        Fenced = sender.until_fenced() => return Ok(Ending::Fenced),
        _is_complete = uploader.flush(FLUSH_BEFORE_REPORT) => {}
    }
    let learnings = new_learnings
        .get()
        .map(|file| file.read(&redactor))
        .unwrap_or_default();
    let report = FinalReport::new(result, reporter.totals(), learnings);
    let ending: fn(_) -> _ = match &report {
        FinalReport::Complete(_) => Ending::Completed,
        FinalReport::Fail(_) => Ending::Failed,
        FinalReport::Stuck(_) => Ending::Stuck,
    };
    match sender.finish(report).await {
        Ok(ended) => {
            // The orchestrator answers again, if it did not before.
            if !uploader.flush(FLUSH_AFTER_REPORT).await {
                tracing::warn!("the end of the transcript could not be uploaded");
            }
            Ok(ending(ended))
        }
        Err(Unreported::Fenced) => Ok(Ending::Fenced),
        Err(error @ Unreported::Refused(_)) => Err(error.into()),
    }
}

async fn run_phases(registered: Registered<'_>) -> Result<Delivered, Failure> {
    let prepared = registered.prepare().await?;
    let ready = prepared.examine().await?;
    let worked = ready.work().await?;
    let checked = worked.check().await?;
    checked.deliver().await
}

/// Returns `None` if the orchestrator does not accept this worker.
async fn register(client: &WorkerClient) -> anyhow::Result<Option<worker::Registered>> {
    let nonce = Uuid::new_v4().to_string();
    let deadline = Instant::now() + REGISTER_TIMEOUT;
    let mut delays = REGISTER_BACKOFF.build();
    loop {
        match client.register(&nonce).await {
            Ok(registered) => return Ok(Some(registered)),
            Err(
                error @ ClientError::Refused {
                    status: 401 | 403 | 404 | 409,
                    ..
                },
            ) => {
                tracing::warn!(error = %chain(&error), "the orchestrator does not accept this worker");
                return Ok(None);
            }
            Err(error) if error.code().is_some() && !error.is_temporary() => {
                return Err(error).context("registering");
            }
            Err(error) if Instant::now() >= deadline => return Err(error).context("registering"),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the orchestrator is unavailable; retrying to register");
                sleep(delays.next().unwrap_or(MAX_REGISTER_DELAY)).await;
            }
        }
    }
}

/// Shared by all phases.
struct Tools<'c> {
    config: &'c Config,
    worker_token: WorkerToken,
    github_token: SecretString,
    model: Option<ModelCredential>,
    redactor: Arc<Redactor>,
    client: WorkerClient,
    lock_client: LockClient,
    reporter: Reporter,
    /// Set once the workspace exists.
    new_learnings: Arc<OnceLock<NewLearnings>>,
}

impl Tools<'_> {
    /// What must be in no commit.
    fn own_secrets(&self) -> OwnSecrets {
        let model = self.model.as_ref().map(|model| model.secret().expose_secret());
        let others = [self.worker_token.reveal(), self.github_token.expose_secret()];
        OwnSecrets::new(others.into_iter().chain(model))
    }

    fn api(&self) -> Result<Api, Failure> {
        Api::new(&self.config.github.api_url, self.github_token.clone())
            .map_err(|error| Failure::new(FailureCause::Crash, format!("{error:#}")))
    }
}

/// The orchestrator has assigned a work item.
struct Registered<'c> {
    tools: Tools<'c>,
    answer: worker::Registered,
}

/// The branch is checked out and can be pushed, and the checklist is written.
struct Prepared<'c> {
    tools: Tools<'c>,
    assigned: worker::Registered,
    workspace: Workspace,
    identity: Identity,
    spec: SpecDocument,
}

/// Nothing is known that prevents the work from being done, checked and delivered.
struct Ready<'c> {
    prepared: Prepared<'c>,
    policy: Policy,
}

/// Every task is ticked, and every commit is pushed.
struct Worked<'c> {
    tools: Tools<'c>,
    assignment: Assignment,
    policy: Policy,
    identity: Identity,
    /// Limit of iterations of the attempt.
    max_iterations: u32,
    workspace: Workspace,
    head: CommitHash,
    spec: SpecDocument,
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
        .await?;
        ready.report_resumed(&tools.reporter);
        // Of an attempt that has one workspace.
        let _set_once = tools.new_learnings.set(ready.workspace.new_learnings());
        let identity = match &config.agent.identity {
            Some(identity) => identity.clone(),
            None => identity_of_token(&api, &config.github.git_url, retry_timeout).await?,
        };
        Ok(Prepared {
            tools,
            assigned,
            workspace: ready.workspace,
            identity,
            spec: ready.spec,
        })
    }
}

impl Tools<'_> {
    /// The agent's model, if one is configured.
    fn model_name<'a>(&'a self, policy: &'a Policy) -> Option<&'a str> {
        let of_policy = policy.model.as_ref().map(ModelName::as_str);
        of_policy.or(self.config.agent.model.as_deref())
    }

    fn agent_run<'a>(
        &'a self,
        policy: &'a Policy,
        identity: &'a Identity,
        max_iterations: u32,
    ) -> AgentRun<'a> {
        let agent = &self.config.agent;
        AgentRun {
            agent,
            model_name: self.model_name(policy),
            child_env: &self.config.child_env,
            model: self.model.as_ref(),
            identity,
            max_iterations,
            retry_timeout: self.config.github.retry_timeout,
            lock_client: &self.lock_client,
        }
    }

    /// `None` if reviews are switched off.
    fn reviewer<'a>(&'a self, policy: &'a Policy, identity: &'a Identity) -> Option<Reviewer<'a>> {
        let config = self.config;
        if !config.review.is_enabled || policy.review == Some(false) {
            return None;
        }
        let agent = self.agent_run(policy, identity, 0);
        Some(Reviewer {
            agent: AgentRun {
                model_name: config.review.model.as_deref().or(agent.model_name),
                ..agent
            },
            reporter: &self.reporter,
            client: &self.client,
        })
    }
}

impl<'c> Prepared<'c> {
    async fn examine(self) -> Result<Ready<'c>, Failure> {
        let Tools { config, reporter, .. } = &self.tools;
        let policy = preflight(config, &self.workspace, reporter).await?;
        Ok(Ready {
            prepared: self,
            policy,
        })
    }
}

impl<'c> Ready<'c> {
    async fn work(self) -> Result<Worked<'c>, Failure> {
        let Self { prepared, policy } = self;
        let Prepared {
            tools,
            assigned,
            mut workspace,
            identity,
            spec,
        } = prepared;
        tools.reporter.stage(Stage::Working);
        let limit = policy.max_iterations.map_or(u32::MAX, MaxIterations::get);
        let max_iterations = assigned.max_iterations.min(limit);
        let run = tools.agent_run(&policy, &identity, max_iterations);
        let done = ralph::work(&run, &mut workspace, &spec, &tools.reporter).await?;
        Ok(Worked {
            tools,
            assignment: assigned.work_item,
            policy,
            identity,
            max_iterations,
            workspace,
            head: done.head,
            spec: done.spec,
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
            reviewer: self.tools.reviewer(&self.policy, &self.identity),
            reporter: &self.tools.reporter,
        };
        let Verified { head, tests, review } =
            match verification.run(workspace, self.head.clone(), &self.spec).await {
                Ok(verified) => verified,
                Err(failure) => return Err(self.deliver_red(failure).await),
            };
        self.head = head;
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
        is_red: bool,
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
            is_red,
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
            match self.deliver(tests.as_ref(), &ReviewOutcome::Off, true).await {
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
            .deliver(tests.as_ref(), &review, false)
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
