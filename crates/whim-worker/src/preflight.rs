//! What is examined before the agent starts: the rules of GitHub for the branch, the policy of the repository, its contents, its
//! setup, and the tools of its checks. What can never work ends the attempt here, before it costs anything.

pub mod command;
mod contents;
mod findings;
mod policy_file;
mod rules;

use std::time::Duration;

use whim_core::protocol::preflight::PreflightSubject;
use whim_core::{FailureCause, RepoName};
use whim_service::chain::chain;

pub use self::findings::Findings;
use crate::checks::{Checks, Limit, MissingTool, SetupFailure, Step, Tools};
use crate::child_env::ChildEnvironment;
use crate::identity::Identity;
use crate::mcp::McpServers;
use crate::outcome::Failure;
use crate::policy::{self, Policy};
use crate::pull_request::Api;
use crate::workspace::{BaseFile, Workspace};

/// The inputs of a preflight.
#[derive(Clone, Copy, Debug)]
pub struct Preflight<'a> {
    pub api: &'a Api,
    /// How long a failed request is retried.
    pub retry_timeout: Duration,
    pub repo: &'a RepoName,
    /// The author of commits.
    pub identity: &'a Identity,
    pub workspace: &'a Workspace,
    pub child_env: &'a ChildEnvironment,
    /// Of the commands of `setup`.
    pub limit: Limit,
    /// The operator's MCP servers.
    pub mcp_servers: &'a McpServers,
}

/// Nothing is known that prevents the work.
#[derive(Clone, Debug, PartialEq)]
pub struct Examined {
    pub policy: Policy,
    /// Whether the rules of the branch allow merge commits.
    pub allows_merges: bool,
    /// Of the agent.
    pub mcp_servers: McpServers,
    /// The repository's instructions for agents.
    pub instructions: Option<String>,
}

impl Preflight<'_> {
    /// Adds to `findings`, also if it fails.
    ///
    /// # Errors
    /// The rules of the branch or the policy make the work impossible, the setup fails, or a tool of the checks is not
    /// installed.
    pub async fn run(
        &self,
        findings: &mut Findings,
        report_progress: impl FnMut(&Step, Duration),
    ) -> Result<Examined, Failure> {
        let workspace = self.workspace;
        let rules = rules::read(rules::Subject {
            api: self.api,
            retry_timeout: self.retry_timeout,
            repo: self.repo,
            identity: self.identity,
            workspace,
        });
        let rules = rules.await;
        findings.add(PreflightSubject::Rules, rules.finding)?;
        let policy = self.read_policy().await;
        let (policy, mcp_servers, instructions) = findings.result(PreflightSubject::Policy, policy)?;
        let contents = contents::examine(workspace)
            .await
            .map_err(|error| Failure::of_machine(chain(&error).to_string()));
        findings.add(PreflightSubject::Contents, contents)?;
        let checks = Checks {
            policy: &policy,
            child_env: self.child_env,
            limit: self.limit,
        };
        if !policy.setup.is_empty() {
            let setup = self.set_up(&checks, report_progress).await;
            findings.add(PreflightSubject::Setup, setup)?;
        }
        findings.add(PreflightSubject::Tools, self.find_tools(&checks))?;
        Ok(Examined {
            policy,
            allows_merges: rules.allows_merges,
            mcp_servers,
            instructions,
        })
    }

    /// The policy, and what it refers to.
    async fn read_policy(&self) -> Result<(Policy, McpServers, Option<String>), Failure> {
        let unusable = |problem: String| {
            let file = policy::PATH;
            Failure::new(FailureCause::WorkspaceUnusable, format!("{file}: {problem}"))
        };
        let policy = policy_file::read(self.workspace).await?;
        let mcp_servers = self
            .mcp_servers
            .chosen(policy.mcp_servers.as_deref())
            .map_err(unusable)?;
        let instructions = match &policy.instructions {
            None => None,
            Some(file) => {
                let content = self.workspace.read_base_file(file.as_str()).await;
                match content.map_err(|error| Failure::of_machine(chain(&error).to_string()))? {
                    BaseFile::Text(text) => Some(text),
                    BaseFile::Missing | BaseFile::NotAFile => {
                        let (file, base) = (file.as_str(), self.workspace.base());
                        return Err(unusable(format!("`instructions`: {file} is no file on {base}")));
                    }
                }
            }
        };
        Ok((policy, mcp_servers, instructions))
    }

    /// On a branch with earlier work, the setup may fail because of that work, which the agent can repair.
    async fn set_up(
        &self,
        checks: &Checks<'_>,
        report_progress: impl FnMut(&Step, Duration),
    ) -> Result<Option<String>, Failure> {
        let checkout = self.workspace.as_checkout();
        let Err(failure) = checks.set_up(&checkout, report_progress).await? else {
            return Ok(None);
        };
        let SetupFailure {
            description,
            unreachable_registry,
        } = failure;
        let description = format!("the setup of {} failed: {description}", policy::PATH);
        match unreachable_registry {
            _ if self.workspace.remote_head().is_some() => Ok(Some(description)),
            Some(line) => Err(Failure::registry_unavailable(&line)),
            None => Err(Failure::new(FailureCause::WorkspaceUnusable, description)),
        }
    }

    fn find_tools(&self, checks: &Checks<'_>) -> Result<Option<String>, Failure> {
        let tools = Tools::on(self.child_env.search_path());
        let Some(missing) = tools.missing(&checks.plan(&self.workspace.as_checkout())?) else {
            return Ok(None);
        };
        let message = tool_missing(&missing);
        // Otherwise earlier work on the branch may have added the check.
        if checks.policy.checks.is_some() || self.workspace.remote_head().is_none() {
            return Err(Failure::new(FailureCause::ToolMissing, message));
        }
        Ok(Some(message))
    }
}

/// Programs that the image `worker-full` has and the default image has not.
const TOOLS_OF_FULL_IMAGE: [&str; 12] = [
    "bundle", "bundler", "cargo", "composer", "go", "gradle", "java", "javac", "mvn", "php", "ruby", "rustc",
];

fn tool_missing(MissingTool { check, program }: &MissingTool) -> String {
    let image = if TOOLS_OF_FULL_IMAGE.contains(&program.as_str()) {
        "use a worker image that has it, such as the target `worker-full` of Whim's Dockerfile (WORKER_IMAGE, WORKER_IMAGES)"
    } else {
        "use a worker image that has it (WORKER_IMAGE, WORKER_IMAGES)"
    };
    format!(
        "the check `{check}` needs `{program}`, which is not installed where the worker runs. Install it there, {image}, \
         install it with `setup`, or name other `checks` in {}",
        policy::PATH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_image_is_recommended_for_what_it_has() {
        for (program, expected) in [
            ("cargo", true),
            ("bundle", true),
            ("rspec", false),
            ("kotlinc", false),
        ] {
            let message = tool_missing(&MissingTool {
                check: "test".to_owned(),
                program: program.to_owned(),
            });
            assert_eq!(message.contains("worker-full"), expected, "{message}");
        }
    }
}
