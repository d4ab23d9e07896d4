//! What all phases of an attempt share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use secrecy::{ExposeSecret as _, SecretString};
use whim_client::WorkerClient;
use whim_core::protocol::preflight::{PreflightCheck, ReportPreflight};
use whim_core::redact::Redactor;
use whim_core::{BranchName, FailureCause, WorkerToken};
use whim_service::chain::chain;

use crate::config::Config;
use crate::credentials::ModelCredential;
use crate::identity::Identity;
use crate::locks::LockClient;
use crate::mcp::McpServers;
use crate::outcome::Failure;
use crate::policy::{ModelName, Policy};
use crate::preflight::Findings;
use crate::pull_request::Api;
use crate::ralph::AgentRun;
use crate::report::Reporter;
use crate::review::Reviewer;
use crate::workspace::{NewLearnings, OwnSecrets};

/// Shared by all phases.
pub(super) struct Tools<'c> {
    pub(super) config: &'c Config,
    pub(super) worker_token: WorkerToken,
    pub(super) github_token: SecretString,
    pub(super) model: Option<ModelCredential>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) client: WorkerClient,
    pub(super) lock_client: LockClient,
    pub(super) reporter: Reporter,
    /// The operator's.
    pub(super) mcp_servers: McpServers,
    pub(super) agent_files: AgentFiles,
    /// Set once the workspace exists.
    pub(super) new_learnings: Arc<OnceLock<NewLearnings>>,
}

/// Files that the agent's program reads, if there are any.
#[derive(Debug, Default)]
pub(super) struct AgentFiles {
    mcp_config: Option<PathBuf>,
    instructions: Option<PathBuf>,
}

impl Tools<'_> {
    /// What must be in no commit.
    pub(super) fn own_secrets(&self) -> OwnSecrets {
        let model = self.model.as_ref().map(|model| model.secret().expose_secret());
        let others = [self.worker_token.reveal(), self.github_token.expose_secret()];
        let proxies = self.config.child_env.proxy_passwords();
        let proxies = proxies.iter().map(String::as_str);
        let others = others.into_iter().chain(model).chain(proxies);
        OwnSecrets::new(others.chain(self.mcp_servers.secrets()))
    }

    pub(super) fn api(&self) -> Result<Api, Failure> {
        Api::new(&self.config.github.api_url, self.github_token.clone())
            .map_err(|error| Failure::new(FailureCause::Crash, format!("{error:#}")))
    }
}

impl Tools<'_> {
    /// Without an orchestrator that stores it, the work goes on.
    pub(super) async fn report_preflight(&self, base: Option<&BranchName>, findings: &Findings) {
        let redacted = |check: &PreflightCheck| PreflightCheck {
            message: check
                .message
                .as_deref()
                .map(|message| self.reporter.redact(message)),
            ..check.clone()
        };
        let report = ReportPreflight {
            base: base.cloned(),
            checks: findings.checks().iter().map(redacted).collect(),
        };
        if let Err(error) = self.client.report_preflight(&report).await {
            tracing::warn!(error = %chain(&error), "the preflight cannot be stored");
        }
    }

    /// The agent's model, if one is configured.
    pub(super) fn model_name<'a>(&'a self, policy: &'a Policy) -> Option<&'a str> {
        let of_policy = policy.model.as_ref().map(ModelName::as_str);
        of_policy.or(self.config.agent.model.as_deref())
    }

    pub(super) fn agent_run<'a>(
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
            mcp_config: self.agent_files.mcp_config.as_deref(),
            instructions: self.agent_files.instructions.as_deref(),
        }
    }

    /// Writes what the agent's program reads into `directory`.
    pub(super) fn write_agent_files(
        &mut self,
        directory: &Path,
        mcp_servers: &McpServers,
        instructions: Option<&str>,
    ) -> std::io::Result<()> {
        self.agent_files.mcp_config = mcp_servers.write(directory)?;
        self.agent_files.instructions = match instructions {
            Some(text) => {
                let file = directory.join("instructions.md");
                fs::write(&file, text)?;
                Some(file)
            }
            None => None,
        };
        Ok(())
    }

    /// `None` if reviews are switched off.
    pub(super) fn reviewer<'a>(&'a self, policy: &'a Policy, identity: &'a Identity) -> Option<Reviewer<'a>> {
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
