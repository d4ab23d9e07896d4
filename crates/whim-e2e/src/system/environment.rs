//! The settings that the programs of a system are started with.

use std::ffi::OsString;

use whim_testkit::tools;

use super::{API_KEY, System};
use crate::programs::program;

impl System {
    pub(super) fn orchestrator_environment(&self) -> anyhow::Result<Vec<(String, OsString)>> {
        let claude = tools::claude()?;
        let ports = self.ports.unwrap_or_default();
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
            ("RETRY_DELAYS", "0.5,0.5,0.5".to_owned()),
            ("HEARTBEAT_INTERVAL_SECONDS", "0.5".to_owned()),
            ("RECONCILE_INTERVAL_SECONDS", "1".to_owned()),
            ("DISPATCH_INTERVAL_SECONDS", "1".to_owned()),
        ];
        let paths = [
            ("WORKER_BIN", program("whim-worker")?),
            ("RALPH_BIN", program("ralph")?),
            ("CLAUDE_BIN", claude),
            ("WORKSPACES_DIR", self.workspaces()),
        ];
        let mut environment = self.environment(settings);
        environment.extend(paths.map(|(name, path)| (name.to_owned(), path.into_os_string())));
        self.add_own_settings(&mut environment);
        Ok(environment)
    }

    pub(super) fn intake_environment(&self) -> Vec<(String, OsString)> {
        let mut environment = self.environment([
            ("GITHUB_TOKEN", self.github.token().to_owned()),
            ("GITHUB_API_URL", self.github.api_url()),
            ("REPOS", self.options.repositories.join(",")),
            ("ANTHROPIC_API_KEY", self.anthropic.api_key().to_owned()),
            ("ANTHROPIC_BASE_URL", self.anthropic.url()),
            ("ORCHESTRATOR_URL", self.api_url.to_string()),
            ("API_KEY", API_KEY.to_owned()),
            ("POLL_INTERVAL", "200".to_owned()),
            ("INTAKE_ADMIN_PORT", "0".to_owned()),
        ]);
        self.add_own_settings(&mut environment);
        environment
    }

    fn environment<const N: usize>(&self, settings: [(&str, String); N]) -> Vec<(String, OsString)> {
        let mut environment: Vec<(String, OsString)> = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        environment.push(("PATH".to_owned(), std::env::var_os("PATH").unwrap_or_default()));
        environment.push(("HOME".to_owned(), self.directory.path().as_os_str().to_owned()));
        environment
    }

    fn add_own_settings(&self, environment: &mut Vec<(String, OsString)>) {
        environment.retain(|(name, _)| !self.options.settings.contains_key(name.as_str()));
        let own = self
            .options
            .settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.into()));
        environment.extend(own);
    }
}
