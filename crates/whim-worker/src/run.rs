//! The story of an attempt: each phase consumes the one before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ralph_contract::SpecDocument;
use tokio::time::{Instant, sleep};
use uuid::Uuid;
use whim_client::{ClientError, Timing, WorkerClient};
use whim_core::protocol::worker::{self, TestReport};
use whim_core::redact::Redactor;
use whim_core::{CommitHash, FailureCause, Stage};
use whim_service::chain::chain;

use crate::config::Config;
use crate::credentials::{Credentials, ModelCredential};
use crate::git::Git;
use crate::locks::Keeper;
use crate::outcome::{Delivered, Ending, Failure, FinalReport};
use crate::pull_request::{Api, Story, find_or_open, propose};
use crate::report::{self, Fenced, Reporter, Unreported};
use crate::workspace::{self, Layout, Workspace};
use crate::{checks, ralph};

/// The sender repeats by itself, for as long as the lease lasts.
const TIMING: Timing = Timing {
    connect: Duration::from_secs(5),
    attempt: Duration::from_secs(10),
    retries: 0,
    first_delay: Duration::from_millis(200),
    longest_delay: Duration::from_secs(5),
};

/// How long the orchestrator may be away when the worker starts. It gives up on workers that do not register.
const REGISTER_PATIENCE: Duration = Duration::from_secs(100);
const REGISTER_AGAIN: Duration = Duration::from_secs(1);

/// Works on the item from registration to the last report.
///
/// # Errors
/// It could not even begin, so that there is nothing to report.
pub async fn run_attempt(config: &Config, credentials: Credentials) -> anyhow::Result<Ending> {
    let redactor = Arc::new(credentials.redactor());
    let client = WorkerClient::new(
        config.orchestrator_url.clone(),
        config.worker_id,
        &credentials.worker_token,
        TIMING,
    )
    .context("making a client for the orchestrator")?;
    let asked_at = Instant::now();
    let Some(registered) = register(&client).await? else {
        return Ok(Ending::Fenced);
    };
    let (reporter, mut sender) = report::open(
        client.clone(),
        &registered,
        asked_at,
        config.reporting,
        Arc::clone(&redactor),
    );
    let begun = Registered {
        tools: Tools {
            config,
            github_token: credentials.github_token,
            model: credentials.model,
            redactor,
            keeper: Keeper::new(client, reporter.clone(), config.agent.lock_wait),
            reporter: reporter.clone(),
        },
        registered,
    };
    let result = tokio::select! {
        // The sender first: a worker that was paused learns that it lost its item before it does anything else.
        biased;
        Fenced = sender.until_fenced() => return Ok(Ending::Fenced),
        result = Box::pin(story(begun)) => result,
    };
    let report = FinalReport::new(result, reporter.totals());
    let ending: fn(_) -> _ = match &report {
        FinalReport::Complete(_) => Ending::Completed,
        FinalReport::Fail(_) => Ending::Failed,
        FinalReport::Stuck(_) => Ending::Stuck,
    };
    match sender.finish(report).await {
        Ok(ended) => Ok(ending(ended)),
        Err(Unreported::Fenced) => Ok(Ending::Fenced),
        Err(error @ Unreported::Refused(_)) => Err(error.into()),
    }
}

async fn story(registered: Registered<'_>) -> Result<Delivered, Failure> {
    let prepared = registered.prepare().await?;
    let worked = prepared.work().await?;
    let checked = worked.check().await?;
    checked.deliver().await
}

/// `None` when the orchestrator does not want this worker.
async fn register(client: &WorkerClient) -> anyhow::Result<Option<worker::Registered>> {
    let nonce = Uuid::new_v4().to_string();
    let deadline = Instant::now() + REGISTER_PATIENCE;
    loop {
        match client.register(&nonce).await {
            Ok(registered) => return Ok(Some(registered)),
            Err(
                error @ ClientError::Refused {
                    status: 401 | 403 | 404 | 409,
                    ..
                },
            ) => {
                tracing::warn!(error = %chain(&error), "the orchestrator does not want this worker");
                return Ok(None);
            }
            Err(error) if error.code().is_some() && !error.is_temporary() => {
                return Err(error).context("registering");
            }
            Err(error) if Instant::now() >= deadline => return Err(error).context("registering"),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the orchestrator is away; registering again");
                sleep(REGISTER_AGAIN).await;
            }
        }
    }
}

/// What every phase works with.
struct Tools<'c> {
    config: &'c Config,
    github_token: secrecy::SecretString,
    model: Option<ModelCredential>,
    redactor: Arc<Redactor>,
    keeper: Keeper,
    reporter: Reporter,
}

/// The orchestrator knows this worker and has told it what to do.
struct Registered<'c> {
    tools: Tools<'c>,
    registered: worker::Registered,
}

/// The branch is checked out, can be pushed, and the checklist is in its place.
struct Prepared<'c> {
    tools: Tools<'c>,
    registered: worker::Registered,
    workspace: Workspace,
    spec: SpecDocument,
}

/// Every task is ticked, and every commit is on GitHub.
struct Worked<'c> {
    tools: Tools<'c>,
    assignment: worker::Assignment,
    workspace: Workspace,
    head: CommitHash,
    spec: SpecDocument,
}

/// The project's own tests are green, or it has none.
struct Checked<'c> {
    worked: Worked<'c>,
    tests: Option<TestReport>,
}

impl<'c> Registered<'c> {
    async fn prepare(self) -> Result<Prepared<'c>, Failure> {
        let Self { tools, registered } = self;
        tools.reporter.stage(Stage::Preparing);
        let config = tools.config;
        let broken = |error: std::io::Error| {
            Failure::new(
                FailureCause::Crash,
                format!("the directory of the attempt cannot be used: {error}"),
            )
        };
        let layout =
            Layout::make(&config.workspace_dir, config.surroundings.directories()).map_err(broken)?;
        let git = Git::new(
            config.surroundings.clone(),
            &layout.private,
            &config.github.git_url,
            &registered.work_item.repo,
            tools.github_token.clone(),
            Arc::clone(&tools.redactor),
        )
        .map_err(broken)?;
        let ready = workspace::prepare(
            git,
            layout,
            &registered.work_item,
            config.github.patience,
            Arc::clone(&tools.redactor),
        )
        .await?;
        ready.tell(&tools.reporter);
        Ok(Prepared {
            tools,
            registered,
            workspace: ready.workspace,
            spec: ready.spec,
        })
    }
}

impl<'c> Prepared<'c> {
    async fn work(self) -> Result<Worked<'c>, Failure> {
        let Self {
            tools,
            registered,
            mut workspace,
            spec,
        } = self;
        tools.reporter.stage(Stage::Working);
        let assignment = ralph::Assignment {
            agent: &tools.config.agent,
            surroundings: &tools.config.surroundings,
            model: tools.model.as_ref(),
            max_iterations: registered.max_iterations,
            patience: tools.config.github.patience,
            keeper: &tools.keeper,
        };
        let done = ralph::work(&assignment, &mut workspace, &spec, &tools.reporter).await?;
        Ok(Worked {
            tools,
            assignment: registered.work_item,
            workspace,
            head: done.head,
            spec: done.spec,
        })
    }
}

impl<'c> Worked<'c> {
    async fn check(self) -> Result<Checked<'c>, Failure> {
        let Self { tools, workspace, .. } = &self;
        tools.reporter.stage(Stage::Testing);
        let broken = |error| Failure::of_machine(chain(&error).to_string());
        if workspace.commits_ahead().await.map_err(broken)? == 0 {
            return Err(Failure::Stuck {
                reason: format!(
                    "every task is ticked, but {} has no commit that {} does not have",
                    workspace.branch(),
                    workspace.base()
                ),
                iterations_without_progress: 0,
            });
        }
        let directory = workspace.check_out_for_tests().await.map_err(broken)?;
        let config = tools.config;
        let result = checks::check(directory, &config.surroundings, config.test_timeout).await;
        let report = match &result {
            Ok(report) => report.as_ref(),
            Err(Failure::Failed { tests, .. }) => tests.as_ref(),
            Err(Failure::Stuck { .. }) => None,
        };
        if let Some(report) = report {
            tools.reporter.tests(report);
        }
        Ok(Checked {
            tests: result?,
            worked: self,
        })
    }
}

impl Checked<'_> {
    async fn deliver(self) -> Result<Delivered, Failure> {
        let Self { worked, tests } = self;
        let Worked {
            tools,
            assignment,
            workspace,
            head,
            spec,
        } = worked;
        tools.reporter.stage(Stage::Delivering);
        let story = Story {
            spec: &spec,
            tests: tests.as_ref(),
            iterations: tools.reporter.totals().iterations,
        };
        let mut proposal = propose(&assignment, workspace.base(), &story);
        proposal.title = tools.redactor.redact(&proposal.title);
        proposal.body = tools.redactor.redact(&proposal.body);
        let api = Api::new(&tools.config.github.api_url, tools.github_token)
            .map_err(|error| Failure::new(FailureCause::Crash, format!("{error:#}")))?;
        if !tools.reporter.holds_lease() {
            // The sender is about to notice, and ends all of this.
            std::future::pending::<()>().await;
        }
        let opened = find_or_open(&api, &assignment.repo, &proposal, tools.config.github.patience)
            .await
            .map_err(|failure| failure.with_tests(tests.clone()))?;
        tools.reporter.pull_request(&opened.html_url, opened.number);
        Ok(Delivered {
            url: opened.html_url,
            number: opened.number,
            head,
            spec: spec.as_str().to_owned(),
            tests,
        })
    }
}
