//! Settings that are passed to workers.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;
use whim_service::environment::{
    Environment, Expected, dollars, flag, http_url, milliseconds, path, seconds, text, whole_number,
};
use whim_service::machine;

use super::access::WorkerAccess;
use super::values::{DAY, url_or_default};

/// Settings that are passed to every worker under the same names.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub access: WorkerAccess,
    /// `GITHUB_GIT_URL`.
    pub github_git_url: Url,
    /// `RALPH_HARNESS`.
    pub ralph_harness: String,
    /// `CLAUDE_BIN`.
    pub claude_bin: String,
    /// `CLAUDE_MODEL`.
    pub claude_model: Option<String>,
    /// `TEST_TIMEOUT_SECONDS`; part of [`Self::passed_on`], and here because the progress deadline depends on it.
    pub test_timeout: Duration,
    /// `HEARTBEAT_INTERVAL_SECONDS`; part of [`Self::passed_on`], and here because leases depend on it.
    pub heartbeat: Duration,
    /// Settings that only workers use, and variables of the machine such as proxies and certificates.
    pub passed_on: BTreeMap<&'static str, String>,
}

impl WorkerSettings {
    /// The program that the harness runs, as a path or a name on `PATH`.
    pub(super) fn agent_program(&self) -> Option<String> {
        (self.ralph_harness == "claude").then(|| self.claude_bin.clone())
    }

    pub(super) fn read(env: &mut Environment) -> Option<Self> {
        let access = WorkerAccess::read(env);
        let ralph_harness = env.or_default("RALPH_HARNESS", "claude".to_owned(), harness());
        let github_git_url = url_or_default(env, "GITHUB_GIT_URL", "https://github.com", http_url());
        let claude_bin = env.or_default(
            "CLAUDE_BIN",
            "claude".to_owned(),
            text("the name or path of the Claude Code CLI"),
        );
        let claude_model = env.optional("CLAUDE_MODEL", text("the name of a model"));
        let passed_on = read_passed_on(env);
        Some(Self {
            access: access?,
            github_git_url: github_git_url?,
            ralph_harness,
            claude_bin,
            claude_model,
            test_timeout: passed_on.test_timeout,
            heartbeat: passed_on.heartbeat,
            passed_on: passed_on.settings,
        })
    }
}

/// `ralph` has more harnesses; a worker cannot configure them.
fn harness() -> Expected<String> {
    text("").only_if("claude, the only harness that workers support", |name| {
        name == "claude"
    })
}

/// The settings that only workers use.
struct PassedOn {
    heartbeat: Duration,
    test_timeout: Duration,
    settings: BTreeMap<&'static str, String>,
}

/// Reads the settings that only workers use, with the same defaults, so that a wrong value is refused at start.
fn read_passed_on(env: &mut Environment) -> PassedOn {
    const MILLISECOND: Duration = Duration::from_millis(1);
    let mut passed_on = BTreeMap::new();
    let mut duration = |name, default, expected| {
        let value: Duration = env.or_default(name, default, expected);
        passed_on.insert(name, value);
        value
    };
    let any_seconds = || seconds(MILLISECOND..=DAY);
    let heartbeat = duration(
        "HEARTBEAT_INTERVAL_SECONDS",
        Duration::from_secs(10),
        any_seconds(),
    );
    duration(
        "AGENT_IDLE_TIMEOUT_SECONDS",
        Duration::from_mins(15),
        any_seconds(),
    );
    let test_timeout = duration("TEST_TIMEOUT_SECONDS", Duration::from_mins(30), any_seconds());
    duration(
        "LOCK_WAIT_TIMEOUT_SECONDS",
        Duration::from_mins(1),
        seconds(MILLISECOND..=Duration::from_hours(1)),
    );
    duration("GIT_TIMEOUT_SECONDS", Duration::from_mins(30), any_seconds());
    duration(
        "GITHUB_RETRY_TIMEOUT_SECONDS",
        Duration::from_mins(2),
        seconds(MILLISECOND..=Duration::from_hours(1)),
    );
    let mut passed_on: BTreeMap<&'static str, String> = passed_on
        .into_iter()
        .map(|(name, value)| (name, value.as_secs_f64().to_string()))
        .collect();

    let batch = milliseconds(MILLISECOND..=Duration::from_mins(1));
    let batch = env.or_default("EVENT_BATCH_MILLISECONDS", Duration::from_millis(250), batch);
    let stuck_threshold: u32 = env.or_default("STUCK_THRESHOLD", 3, whole_number(1..=1000));
    passed_on.insert("EVENT_BATCH_MILLISECONDS", batch.as_millis().to_string());
    passed_on.insert("STUCK_THRESHOLD", stuck_threshold.to_string());
    let repair_iterations: u32 = env.or_default("REPAIR_ITERATIONS", 2, whole_number(0..=100));
    passed_on.insert("REPAIR_ITERATIONS", repair_iterations.to_string());
    let is_review_enabled = env.or_default("AI_REVIEW", true, flag());
    passed_on.insert("AI_REVIEW", is_review_enabled.to_string());
    if let Some(model) = env.optional("AI_REVIEW_MODEL", text("the name of a model")) {
        passed_on.insert("AI_REVIEW_MODEL", model);
    }
    if let Some(file) = env.optional("MCP_CONFIG", path("a file with MCP servers, where workers run")) {
        passed_on.insert("MCP_CONFIG", file.display().to_string());
    }
    if let Some(amount) = env.optional("ITERATION_BUDGET_USD", dollars()) {
        passed_on.insert("ITERATION_BUDGET_USD", amount);
    }
    // Without a value, the worker computes it from the timeouts of the agent.
    if let Some(idle) = env.optional("RALPH_IDLE_TIMEOUT_SECONDS", seconds(MILLISECOND..=3 * DAY)) {
        passed_on.insert("RALPH_IDLE_TIMEOUT_SECONDS", idle.as_secs_f64().to_string());
    }
    pass_on_identity(env, &mut passed_on);
    for name in ["LOG_LEVEL", "LOG_FORMAT"] {
        // Checked with the telemetry of this process.
        if env.is_set(name)
            && let Some(value) = env.optional(name, text("any"))
        {
            passed_on.insert(name, value);
        }
    }
    for name in machine::variables() {
        if env.is_set(name)
            && let Some(value) = env.optional(name, of_the_machine())
        {
            passed_on.insert(name, value);
        }
    }
    PassedOn {
        heartbeat,
        test_timeout,
        settings: passed_on,
    }
}

/// Both or none: a name with the address of another account would be attributed to that one.
fn pass_on_identity(env: &mut Environment, passed_on: &mut BTreeMap<&'static str, String>) {
    let one_line = |description: &str| {
        text("").only_if(description, |value| {
            !value.trim().is_empty() && !value.contains(['<', '>', '\n', '\r'])
        })
    };
    let name = env.optional("GIT_AUTHOR_NAME", one_line("a name, without < and >"));
    let email = env.optional("GIT_AUTHOR_EMAIL", one_line("an email address, without < and >"));
    match (name, email) {
        (Some(name), Some(email)) => {
            passed_on.insert("GIT_AUTHOR_NAME", name);
            passed_on.insert("GIT_AUTHOR_EMAIL", email);
        }
        (None, None) => {}
        (Some(_), None) => env.refuse(
            "GIT_AUTHOR_EMAIL",
            "expected a value, because GIT_AUTHOR_NAME is set",
        ),
        (None, Some(_)) => env.refuse(
            "GIT_AUTHOR_NAME",
            "expected a value, because GIT_AUTHOR_EMAIL is set",
        ),
    }
}

/// Proxies may have a password.
fn of_the_machine() -> Expected<String> {
    Expected::new(
        "any text",
        |raw| Some(raw.to_owned()),
        |_value| "(set, passed on to workers)".to_owned(),
    )
}
