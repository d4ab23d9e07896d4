//! The settings with which the programs of a system are started.

use std::ffi::OsString;
use std::path::Path;

use url::Url;
use whim_testkit::anthropic::Anthropic;
use whim_testkit::github::GitHub;
use whim_testkit::postgres::TestDatabase;
use whim_testkit::redis::TestRedis;
use whim_testkit::tools;

use super::options::Options;
use crate::programs::program;

pub(super) const API_KEY: &str = "a-key-of-this-system-only";

/// The orchestrator's ports; 0 for any free port.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ports {
    pub(super) api: u16,
    pub(super) worker_api: u16,
}

/// What the programs are connected to.
pub(super) struct Services<'s> {
    pub(super) github: &'s GitHub,
    pub(super) anthropic: &'s Anthropic,
    pub(super) database: &'s TestDatabase,
    pub(super) redis: &'s TestRedis,
    pub(super) options: &'s Options,
    /// The home directory of the programs.
    pub(super) directory: &'s Path,
    /// The orchestrator's `WORKSPACES_DIR`.
    pub(super) workspaces: &'s Path,
}

impl Services<'_> {
    pub(super) fn orchestrator(&self, ports: Ports) -> anyhow::Result<Vec<(String, OsString)>> {
        let claude = tools::claude()?;
        let settings = [
            ("DATABASE_URL", self.database.url().to_owned()),
            ("REDIS_URL", self.redis.url().to_owned()),
            ("REDIS_KEY_PREFIX", self.redis.prefix().to_owned()),
            ("API_KEY", API_KEY.to_owned()),
            ("PORT", ports.api.to_string()),
            ("WORKER_PORT", ports.worker_api.to_string()),
            ("ADMIN_PORT", "0".to_owned()),
            ("WORKER_RUNTIME", "process".to_owned()),
            ("GITHUB_TOKEN", self.github.token().to_owned()),
            ("GITHUB_API_URL", self.github.api_url()),
            ("GITHUB_GIT_URL", self.github.git_url()),
            ("ANTHROPIC_BASE_URL", self.anthropic.url()),
            ("ANTHROPIC_API_KEY", self.anthropic.api_key().to_owned()),
            ("COOLDOWN_SECONDS", "0.1".to_owned()),
            ("RETRY_DELAYS_SECONDS", "0.5,0.5,0.5".to_owned()),
            ("HEARTBEAT_INTERVAL_SECONDS", "0.5".to_owned()),
            ("RECONCILE_INTERVAL_SECONDS", "1".to_owned()),
            ("DISPATCH_INTERVAL_SECONDS", "1".to_owned()),
        ];
        let paths = [
            ("WORKER_BIN", program("whim-worker")?),
            ("RALPH_BIN", program("ralph")?),
            ("CLAUDE_BIN", claude),
            ("EMBEDDING_MODEL_DIR", tools::embedding_model()?),
            ("WORKSPACES_DIR", self.workspaces.to_owned()),
        ];
        let mut environment = self.environment(settings);
        environment.extend(paths.map(|(name, path)| (name.to_owned(), path.into_os_string())));
        self.apply_options(&mut environment);
        Ok(environment)
    }

    pub(super) fn intake(&self, api_url: &Url) -> Vec<(String, OsString)> {
        let mut environment = self.environment([
            ("GITHUB_TOKEN", self.github.token().to_owned()),
            ("GITHUB_API_URL", self.github.api_url()),
            ("REPOS", self.options.repositories.join(",")),
            ("ANTHROPIC_API_KEY", self.anthropic.api_key().to_owned()),
            ("ANTHROPIC_BASE_URL", self.anthropic.url()),
            ("ORCHESTRATOR_URL", api_url.to_string()),
            ("API_KEY", API_KEY.to_owned()),
            ("POLL_INTERVAL", "200".to_owned()),
            ("STATUS_COMMENT_INTERVAL_SECONDS", "0.5".to_owned()),
            ("GITHUB_WRITE_INTERVAL_SECONDS", "0".to_owned()),
            ("INTAKE_ADMIN_PORT", "0".to_owned()),
        ]);
        self.apply_options(&mut environment);
        environment
    }

    /// On any free port. `password` demands a login.
    pub(super) fn dashboard(&self, api_url: &Url, password: Option<&str>) -> Vec<(String, OsString)> {
        let mut environment = self.environment([
            ("ORCHESTRATOR_URL", api_url.to_string()),
            ("API_KEY", API_KEY.to_owned()),
            ("DASHBOARD_PORT", "0".to_owned()),
            ("DASHBOARD_ADMIN_PORT", "0".to_owned()),
            ("DASHBOARD_PASSWORD", password.unwrap_or_default().to_owned()),
        ]);
        self.apply_options(&mut environment);
        environment
    }

    fn environment<const N: usize>(&self, settings: [(&str, String); N]) -> Vec<(String, OsString)> {
        let mut environment: Vec<(String, OsString)> = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        environment.push(("PATH".to_owned(), std::env::var_os("PATH").unwrap_or_default()));
        environment.push(("HOME".to_owned(), self.directory.as_os_str().to_owned()));
        environment
    }

    fn apply_options(&self, environment: &mut Vec<(String, OsString)>) {
        let settings = &self.options.settings;
        environment.retain(|(name, _)| !settings.contains_key(name.as_str()));
        environment.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.into())),
        );
    }
}
