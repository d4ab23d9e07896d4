//! `whim-worker preflight`: examines a repository without an orchestrator, where workers run.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use whim_core::protocol::preflight::{PreflightCheck, PreflightOutcome, PreflightSubject};
use whim_core::protocol::work::WorkMetadata;
use whim_core::protocol::worker::Assignment;
use whim_core::redact::Redactor;
use whim_core::{BranchName, LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_service::environment::Environment;

use super::{Findings, Preflight};
use crate::checks::Limit;
use crate::child_env::ChildEnvironment;
use crate::config::{AgentConfig, GitHubConfig, test_timeout};
use crate::git::Git;
use crate::identity::{Identity, identity_of_token};
use crate::mcp::McpServers;
use crate::outcome::Failure;
use crate::pull_request::Api;
use crate::workspace::{self, Layout, OwnSecrets};

pub const SUBCOMMAND: &str = "preflight";

/// The exit codes with their meanings, for `--help`.
pub const EXIT_CODES: [(u8, &str); 4] = [
    (0, "an agent can be started, with the warnings that are printed"),
    (1, "no agent can be started; what to do is printed"),
    (2, "the repository could not be examined"),
    (64, "invalid command line or settings"),
];

/// A branch that no work item has.
const BRANCH: &str = "whim/preflight";
/// No one reads the progress.
const PROGRESS_INTERVAL: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub struct CommandConfig {
    github: GitHubConfig,
    github_token: SecretString,
    identity: Option<Identity>,
    mcp_config: Option<PathBuf>,
    child_env: ChildEnvironment,
    test_timeout: Duration,
}

impl CommandConfig {
    /// Returns `None` if a setting is invalid; the environment collects the errors.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let github_token = env.required_secret("GITHUB_TOKEN", "a token of GitHub");
        let github = GitHubConfig::read(env);
        let agent = AgentConfig::read(env);
        let child_env = ChildEnvironment::read(env);
        let test_timeout = test_timeout(env);
        let agent = agent?;
        Some(Self {
            github: github?,
            github_token: github_token?,
            identity: agent.identity,
            mcp_config: agent.mcp_config,
            child_env,
            test_timeout,
        })
    }

    fn mcp_servers(&self) -> anyhow::Result<McpServers> {
        match &self.mcp_config {
            Some(file) => McpServers::read(file).map_err(anyhow::Error::msg),
            None => Ok(McpServers::default()),
        }
    }

    /// Masks what the setup can print.
    fn redactor(&self, mcp_servers: &McpServers) -> Redactor {
        let token = self.github_token.expose_secret().to_owned();
        let proxies = self.child_env.proxy_passwords();
        let of_servers = mcp_servers.secrets().map(str::to_owned);
        Redactor::new([token].into_iter().chain(proxies).chain(of_servers))
    }
}

/// Prints what an attempt would find out before it starts an agent. Nothing is pushed.
pub fn run(config: CommandConfig, repo: RepoName, base: Option<BranchName>) -> ExitCode {
    let mcp_servers = match config.mcp_servers() {
        Ok(servers) => servers,
        Err(error) => return not_examined(&format!("{error:#}")),
    };
    let redactor = Arc::new(config.redactor(&mcp_servers));
    let mut findings = Findings::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let examined = runtime.context("starting the runtime").and_then(|runtime| {
        let subject = Subject {
            repo,
            base,
            mcp_servers,
            redactor: Arc::clone(&redactor),
        };
        runtime.block_on(examine(config, subject, &mut findings))
    });
    let mut output = String::new();
    for check in findings.checks() {
        output.push_str(&line(check));
    }
    // Without output, the exit code remains.
    io::stdout().write_all(redactor.redact(&output).as_bytes()).ok();
    match examined {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(_failure)) => ExitCode::from(1),
        Err(error) => not_examined(&redactor.redact(&format!("{error:#}"))),
    }
}

fn not_examined(reason: &str) -> ExitCode {
    writeln!(io::stderr(), "the repository could not be examined: {reason}").ok();
    ExitCode::from(2)
}

/// What is examined.
struct Subject {
    repo: RepoName,
    /// The default branch without one.
    base: Option<BranchName>,
    mcp_servers: McpServers,
    redactor: Arc<Redactor>,
}

async fn examine(
    config: CommandConfig,
    subject: Subject,
    findings: &mut Findings,
) -> anyhow::Result<Result<(), Failure>> {
    let CommandConfig {
        github,
        github_token,
        identity,
        mcp_config: _,
        child_env,
        test_timeout,
    } = config;
    let Subject {
        repo,
        base,
        mcp_servers,
        redactor,
    } = subject;
    let directory = tempfile::Builder::new()
        .prefix("whim-preflight-")
        .tempdir()
        .context("creating a directory")?;
    // A home of its own: a preflight leaves nothing behind.
    let child_env = child_env
        .for_attempt(WorkerId::new(), directory.path())
        .isolated(directory.path())?;
    let layout = Layout::create(directory.path(), child_env.directories())?;
    let git = Git::new(
        child_env.clone(),
        &layout.private,
        &github.git_url,
        &repo,
        github_token.clone(),
        github.git_timeout,
        redactor,
    )?;
    let api = Api::new(&github.api_url, github_token)?;
    let assignment = Assignment {
        id: WorkItemId::new(),
        lease_epoch: LeaseEpoch::from_number(1),
        repo,
        branch: BranchName::parse(BRANCH)?,
        spec: "- [ ] Examine the repository\n".to_owned(),
        head_sha: None,
        attempt: 1,
        requested_by: None,
        learnings: String::new(),
        notes: Vec::new(),
        metadata: WorkMetadata {
            base,
            ..WorkMetadata::default()
        },
    };
    let retry_timeout = github.retry_timeout;
    let ready = workspace::prepare(
        git,
        layout,
        &assignment,
        retry_timeout,
        OwnSecrets::new([]),
        async |_head| Ok(false),
    )
    .await;
    let ready = match findings.result(PreflightSubject::Repository, ready) {
        Ok(ready) => ready,
        Err(failure) => return Ok(Err(failure)),
    };
    let identity = match identity {
        Some(identity) => identity,
        None => match identity_of_token(&api, &github.host, retry_timeout).await {
            Ok(identity) => identity,
            Err(failure) => return Err(anyhow::anyhow!("{}", failure.reason())),
        },
    };
    let preflight = Preflight {
        api: &api,
        retry_timeout,
        repo: &assignment.repo,
        identity: &identity,
        workspace: &ready.workspace,
        child_env: &child_env,
        limit: Limit {
            timeout: test_timeout,
            progress_interval: PROGRESS_INTERVAL,
        },
        mcp_servers: &mcp_servers,
    };
    Ok(preflight.run(findings, |_step, _elapsed| {}).await.map(drop))
}

/// `rules: passed`, or with a message below.
fn line(check: &PreflightCheck) -> String {
    let outcome = match check.outcome {
        PreflightOutcome::Passed => "passed",
        PreflightOutcome::Warning => "warning",
        PreflightOutcome::Failed => "failed",
    };
    let message = check.message.as_deref().unwrap_or_default();
    let message: String = message.lines().map(|line| format!("  {line}\n")).collect();
    format!("{}: {outcome}\n{message}", check.subject.as_str())
}
