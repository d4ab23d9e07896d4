//! The settings: a pure function of the environment, which the orchestrator's runtime sets.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use whim_core::WorkerId;
use whim_service::environment::{
    Environment, http_url, milliseconds, parsed, path, seconds, text, whole_number,
};
use whim_service::telemetry::TelemetryConfig;

use crate::surroundings::Surroundings;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Every setting, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// `WORKER_ID`.
    pub worker_id: WorkerId,
    /// `ORCHESTRATOR_URL`: the listener of the worker protocol.
    pub orchestrator_url: Url,
    /// `CREDENTIALS_DIR`: files with the secrets, removed once they are read.
    pub credentials_dir: PathBuf,
    /// `WORKSPACE_DIR`: the directory of this attempt; the worker writes below it only.
    pub workspace_dir: PathBuf,
    pub reporting: Reporting,
    pub github: GitHubConfig,
    pub agent: AgentConfig,
    /// `TEST_TIMEOUT_SECONDS`, for the project's tests, and for each step that prepares them.
    pub test_timeout: Duration,
    /// The environment of child processes.
    pub surroundings: Surroundings,
    pub telemetry: TelemetryConfig,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporting {
    /// `HEARTBEAT_INTERVAL_SECONDS`.
    pub heartbeat: Duration,
    /// `EVENT_BATCH_MILLISECONDS`: maximum time that events are collected before they are sent.
    pub event_batch: Duration,
}

#[derive(Clone, Debug)]
pub struct GitHubConfig {
    /// `GITHUB_API_URL`: the REST interface.
    pub api_url: Url,
    /// `GITHUB_GIT_URL`: below it, repositories are at `owner/name.git`.
    pub git_url: Url,
    /// `GITHUB_RETRY_TIMEOUT_SECONDS`: how long GitHub is retried while it is unavailable, before the attempt ends.
    pub patience: Duration,
}

#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// `RALPH_BIN`.
    pub ralph_bin: PathBuf,
    /// `RALPH_HARNESS`.
    pub harness: String,
    /// `CLAUDE_BIN`.
    pub claude_bin: String,
    /// `CLAUDE_MODEL`.
    pub model: Option<String>,
    /// `ANTHROPIC_BASE_URL`.
    pub anthropic_base_url: Url,
    /// `AGENT_IDLE_TIMEOUT_SECONDS`: time without output after which `ralph` ends the agent.
    pub idle: Duration,
    /// `LOCK_WAIT_TIMEOUT_SECONDS`: of an edit that waits for a file locked by another item. The agent prints nothing
    /// meanwhile, so this is added to its idle timeout.
    pub lock_wait: Duration,
    /// `RALPH_IDLE_TIMEOUT_SECONDS`: time without output after which `ralph` counts as hung. The default is long enough
    /// for `ralph` to end an agent that ignores signals.
    pub silence: Duration,
    /// `STUCK_THRESHOLD`: consecutive iterations without progress.
    pub stuck_threshold: u32,
}

impl Config {
    /// Reads every setting; `None` if one is wrong, which `env` records.
    pub fn read(env: &mut Environment) -> Option<Self> {
        let worker_id = env.required("WORKER_ID", parsed("the UUID of this worker"));
        let orchestrator_url = env.required("ORCHESTRATOR_URL", http_url());
        let credentials_dir =
            env.required("CREDENTIALS_DIR", path("the directory with the worker's secrets"));
        let workspace_dir = env.required("WORKSPACE_DIR", path("the directory of this attempt"));
        let reporting = Reporting::read(env);
        let github = GitHubConfig::read(env);
        let agent = AgentConfig::read(env);
        let test_timeout = env.or_default(
            "TEST_TIMEOUT_SECONDS",
            Duration::from_mins(30),
            seconds(MILLISECOND..=DAY),
        );
        let surroundings = Surroundings::read(env);
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
            surroundings: surroundings.for_attempt(worker_id, &workspace_dir),
            workspace_dir,
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
    fn read(env: &mut Environment) -> Option<Self> {
        let api_url = env.or_default("GITHUB_API_URL", url("https://api.github.com")?, http_url());
        let git_url = env.or_default("GITHUB_GIT_URL", url("https://github.com")?, http_url());
        let patience = env.or_default(
            "GITHUB_RETRY_TIMEOUT_SECONDS",
            Duration::from_mins(2),
            seconds(MILLISECOND..=HOUR),
        );
        Some(Self {
            api_url,
            git_url,
            patience,
        })
    }
}

impl AgentConfig {
    fn read(env: &mut Environment) -> Option<Self> {
        let ralph_bin = env.or_default("RALPH_BIN", PathBuf::from("ralph"), path("the program ralph"));
        let harness = env.or_default(
            "RALPH_HARNESS",
            "claude".to_owned(),
            text("the name of a harness that ralph knows"),
        );
        let claude_bin = env.or_default("CLAUDE_BIN", "claude".to_owned(), text("the program Claude Code"));
        let model = env.optional("CLAUDE_MODEL", text("the name of a model"));
        let anthropic_base_url = env.or_default(
            "ANTHROPIC_BASE_URL",
            url("https://api.anthropic.com")?,
            http_url(),
        );
        let idle = env.or_default(
            "AGENT_IDLE_TIMEOUT_SECONDS",
            Duration::from_mins(15),
            seconds(MILLISECOND..=DAY),
        );
        let lock_wait = env.or_default(
            "LOCK_WAIT_TIMEOUT_SECONDS",
            Duration::from_mins(1),
            seconds(MILLISECOND..=HOUR),
        );
        let silence = env.or_default(
            "RALPH_IDLE_TIMEOUT_SECONDS",
            2 * (idle + lock_wait) + Duration::from_mins(2),
            seconds(MILLISECOND..=3 * DAY),
        );
        let stuck_threshold = env.or_default("STUCK_THRESHOLD", 3, whole_number(1..=1000));
        Some(Self {
            ralph_bin,
            harness,
            claude_bin,
            model,
            anthropic_base_url,
            idle,
            lock_wait,
            silence,
            stuck_threshold,
        })
    }
}

fn url(text: &str) -> Option<Url> {
    Url::parse(text).ok()
}
