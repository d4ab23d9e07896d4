//! The worker's settings: a pure function of the environment set by the orchestrator's runtime.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use whim_core::WorkerId;
use whim_service::environment::{
    Environment, Expected, dollars, flag, http_url, milliseconds, one_of, parsed, path, seconds, text,
    whole_number,
};
use whim_service::telemetry::TelemetryConfig;

use crate::child_env::ChildEnvironment;
use crate::credentials::Credentials;
use crate::identity::Identity;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Debug)]
pub struct Config {
    /// `WORKER_ID`.
    pub worker_id: WorkerId,
    /// `ORCHESTRATOR_URL`: the worker listener.
    pub orchestrator_url: Url,
    /// `CREDENTIALS_DIR`: holds the secrets until they have been read.
    pub credentials_dir: PathBuf,
    /// `WORKSPACE_DIR`: the directory of this attempt. The worker writes nothing outside of it.
    pub workspace_dir: PathBuf,
    pub reporting: Reporting,
    pub github: GitHubConfig,
    pub agent: AgentConfig,
    /// `TEST_TIMEOUT_SECONDS`: timeout of each command of the project's checks and their preparation.
    pub test_timeout: Duration,
    /// `REPAIR_ITERATIONS`: limit of iterations in which the agent repairs failed checks. 0 disables repairs.
    pub repair_iterations: u32,
    pub review: ReviewConfig,
    pub child_env: ChildEnvironment,
    /// `EGRESS_PROXY_URL`: the gateway, where it is the only way of the agent and of the project's commands to other hosts.
    pub egress_proxy: Option<Url>,
    /// `PROTECT_MEMORY`: no other process of the worker's user reads its memory and environment. Off where the runtime finds
    /// workers by their environment.
    pub protect_memory: bool,
    pub telemetry: TelemetryConfig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// `HEARTBEAT_INTERVAL_SECONDS`.
    pub heartbeat: Duration,
    /// `EVENT_BATCH_MILLISECONDS`: how long the first event of a batch is held back for others.
    pub event_batch: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewConfig {
    /// `AI_REVIEW`: whether a model reviews the change before it is delivered.
    pub is_enabled: bool,
    /// `AI_REVIEW_MODEL`; by default the agent's.
    pub model: Option<String>,
}

#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// `GITHUB_API_URL`: the REST API.
    pub api_url: Url,
    /// `GITHUB_GIT_URL`: the base URL of repositories, which are at `owner/name.git` below it.
    pub git_url: Url,
    /// `GITHUB_HOST`: of the addresses of accounts; by default that of `GITHUB_GIT_URL`, which may be a gateway's.
    pub host: String,
    /// `GIT_TIMEOUT_SECONDS`: timeout of a clone, and of any other git command that accesses GitHub.
    pub git_timeout: Duration,
    /// `GITHUB_RETRY_TIMEOUT_SECONDS`: how long a failed GitHub operation is retried before the attempt fails.
    pub retry_timeout: Duration,
}

#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// `RALPH_BIN`.
    pub ralph_bin: PathBuf,
    /// `RALPH_HARNESS`.
    pub harness: Harness,
    /// `CLAUDE_BIN`.
    pub claude_bin: String,
    /// `GIT_AUTHOR_NAME` and `GIT_AUTHOR_EMAIL`: of the agent's commits; by default those of the token's user.
    pub identity: Option<Identity>,
    /// `CLAUDE_MODEL`.
    pub model: Option<String>,
    /// `MCP_CONFIG`: file with the MCP servers of agents.
    pub mcp_config: Option<PathBuf>,
    /// `ITERATION_BUDGET_USD`: what one agent may cost, by the prices of Claude Code.
    pub iteration_budget_usd: Option<String>,
    /// `ANTHROPIC_BASE_URL`.
    pub anthropic_base_url: Url,
    /// `AGENT_IDLE_TIMEOUT_SECONDS`: how long the agent may be silent before `ralph` terminates it.
    pub idle_timeout: Duration,
    /// `LOCK_WAIT_TIMEOUT_SECONDS`: how long an edit waits for a file locked by another work item. Added to the idle
    /// timeout, because the agent is silent meanwhile.
    pub lock_wait_timeout: Duration,
    /// `RALPH_IDLE_TIMEOUT_SECONDS`: how long `ralph` itself may be silent before it counts as hung. By default twice
    /// the sum of the agent's idle timeout and the lock wait timeout plus two minutes, as `ralph` needs time to
    /// terminate an unresponsive agent.
    pub ralph_idle_timeout: Duration,
    /// `STUCK_THRESHOLD`: consecutive iterations without progress before the agent counts as stuck.
    pub stuck_threshold: u32,
}

/// The program that `ralph` runs for each iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harness {
    /// Claude Code, which requests a lock before each edit.
    Claude,
}

impl Harness {
    /// The value of `ralph run --harness`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
        }
    }
}

impl Config {
    /// Gives child processes the way through the gateway, which needs the token of the agent.
    #[must_use]
    pub fn with_credentials(mut self, credentials: &Credentials) -> Self {
        if let (Some(proxy), Some(model)) = (&self.egress_proxy, &credentials.model) {
            self.child_env = self.child_env.through_proxy(proxy, model.secret());
        }
        self
    }

    /// Returns `None` if a setting is invalid; the environment collects the errors.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let worker_id = env.required("WORKER_ID", parsed("the UUID of this worker"));
        let orchestrator_url = env.required("ORCHESTRATOR_URL", http_url());
        let credentials_dir =
            env.required("CREDENTIALS_DIR", path("the directory with the worker's secrets"));
        let workspace_dir = env.required("WORKSPACE_DIR", path("the directory of this attempt"));
        let reporting = Reporting::read(env);
        let github = GitHubConfig::read(env);
        let agent = AgentConfig::read(env);
        let test_timeout = test_timeout(env);
        let repair_iterations = env.or_default("REPAIR_ITERATIONS", 2, whole_number(0..=100));
        let review = ReviewConfig {
            is_enabled: env.or_default("AI_REVIEW", true, flag()),
            model: env.optional("AI_REVIEW_MODEL", text("the name of a model")),
        };
        let child_env = ChildEnvironment::read(env);
        let egress_proxy = env.optional("EGRESS_PROXY_URL", http_url());
        let protect_memory = env.or_default("PROTECT_MEMORY", false, flag());
        let telemetry = TelemetryConfig::read(env);
        let worker_id: WorkerId = worker_id?;
        let workspace_dir = workspace_dir?;
        Some(Self {
            worker_id,
            orchestrator_url: orchestrator_url?,
            credentials_dir: credentials_dir?,
            reporting,
            github: github?,
            agent: agent?,
            test_timeout,
            repair_iterations,
            review,
            child_env: child_env.for_attempt(worker_id, &workspace_dir),
            workspace_dir,
            egress_proxy,
            protect_memory,
            telemetry,
        })
    }
}

impl Reporting {
    fn read(env: &mut Environment) -> Self {
        Self {
            heartbeat: env.or_default(
                "HEARTBEAT_INTERVAL_SECONDS",
                Duration::from_secs(10),
                seconds(MILLISECOND..=HOUR),
            ),
            event_batch: env.or_default(
                "EVENT_BATCH_MILLISECONDS",
                Duration::from_millis(250),
                milliseconds(MILLISECOND..=Duration::from_mins(1)),
            ),
        }
    }
}

impl GitHubConfig {
    pub(crate) fn read(env: &mut Environment) -> Option<Self> {
        let api_url = env.or_default("GITHUB_API_URL", url("https://api.github.com")?, http_url());
        let git_url = env.or_default("GITHUB_GIT_URL", url("https://github.com")?, http_url());
        let host = env.optional("GITHUB_HOST", text("a host such as github.com"));
        let host = host.or_else(|| git_url.host_str().map(str::to_owned));
        let retry_timeout = env.or_default(
            "GITHUB_RETRY_TIMEOUT_SECONDS",
            Duration::from_mins(2),
            seconds(MILLISECOND..=HOUR),
        );
        let git_timeout = env.or_default(
            "GIT_TIMEOUT_SECONDS",
            Duration::from_mins(30),
            seconds(MILLISECOND..=DAY),
        );
        Some(Self {
            api_url,
            git_url,
            host: host.unwrap_or_else(|| "github.com".to_owned()),
            git_timeout,
            retry_timeout,
        })
    }
}

impl AgentConfig {
    pub(crate) fn read(env: &mut Environment) -> Option<Self> {
        let ralph_bin = env.or_default("RALPH_BIN", PathBuf::from("ralph"), path("the program ralph"));
        let harness = env.or_default("RALPH_HARNESS", Harness::Claude, harness());
        let claude_bin = env.or_default("CLAUDE_BIN", "claude".to_owned(), text("the program Claude Code"));
        let model = env.optional("CLAUDE_MODEL", text("the name of a model"));
        let mcp_config = env.optional("MCP_CONFIG", path("a file with MCP servers"));
        let iteration_budget_usd = env.optional("ITERATION_BUDGET_USD", dollars());
        let author_name = env.optional("GIT_AUTHOR_NAME", text("the name of the agent's commits"));
        let author_email = env.optional(
            "GIT_AUTHOR_EMAIL",
            text("the email address of the agent's commits"),
        );
        let identity = author_name
            .zip(author_email)
            .map(|(name, email)| Identity { name, email });
        let anthropic_base_url = env.or_default(
            "ANTHROPIC_BASE_URL",
            url("https://api.anthropic.com")?,
            http_url(),
        );
        let idle_timeout = env.or_default(
            "AGENT_IDLE_TIMEOUT_SECONDS",
            Duration::from_mins(15),
            seconds(MILLISECOND..=DAY),
        );
        let lock_wait_timeout = env.or_default(
            "LOCK_WAIT_TIMEOUT_SECONDS",
            Duration::from_mins(1),
            seconds(MILLISECOND..=HOUR),
        );
        let ralph_idle_timeout = env.or_default(
            "RALPH_IDLE_TIMEOUT_SECONDS",
            2 * (idle_timeout + lock_wait_timeout) + Duration::from_mins(2),
            seconds(MILLISECOND..=3 * DAY),
        );
        let stuck_threshold = env.or_default("STUCK_THRESHOLD", 3, whole_number(1..=1000));
        Some(Self {
            ralph_bin,
            harness,
            claude_bin,
            identity,
            model,
            mcp_config,
            iteration_budget_usd,
            anthropic_base_url,
            idle_timeout,
            lock_wait_timeout,
            ralph_idle_timeout,
            stuck_threshold,
        })
    }
}

/// `TEST_TIMEOUT_SECONDS`.
pub(crate) fn test_timeout(env: &mut Environment) -> Duration {
    let default = Duration::from_mins(30);
    env.or_default("TEST_TIMEOUT_SECONDS", default, seconds(MILLISECOND..=DAY))
}

/// The harnesses that a worker can run: for any other, `ralph` needs a command that no setting provides.
fn harness() -> Expected<Harness> {
    one_of(&[("claude", Harness::Claude)])
}

fn url(text: &str) -> Option<Url> {
    Url::parse(text).ok()
}
