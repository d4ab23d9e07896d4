//! Starting the worker of a claim, and undoing the claim if that fails.

use std::collections::BTreeMap;
use std::iter;

use url::Url;
use whim_core::FailureCause;
use whim_service::chain::chain;
use whim_service::machine;
use whim_service::secret::{ExposeSecret as _, SecretString};

use super::claim::Claim;
use super::gateway_tokens::GatewayTokens;
use crate::app::App;
use crate::breakers;
use crate::config::{ModelCredential, WorkerAccess, WorkerSettings};
use crate::db::workers;
use crate::lifecycle::{AttemptEnd, EndedBy, end_attempt};
use crate::metrics;
use whim_runtime::{Credential, RuntimeHandle, WorkerSpec};

/// Starts the worker, and returns whether that worked. A failed start spends no retry of the item.
pub(super) async fn launch(app: &App, claim: Claim) -> bool {
    let (worker_id, work_item_id, epoch) = (claim.worker, claim.item.id, claim.item.lease_epoch);
    let breakers_open = claim.breakers_open;
    let spec = spec(app, claim);
    match app.runtime.start(spec).await {
        Ok(RuntimeHandle(handle)) => {
            metrics::worker_start(true);
            tracing::info!(%worker_id, %work_item_id, %epoch, handle, "worker started");
            let instance = app.runtime.instance();
            if breakers_open
                && let Err(error) = breakers::worker_started(&app.work_database, &app.config, instance).await
            {
                // The registration of the worker closes it too.
                let error = chain(&error);
                tracing::warn!(%worker_id, %error, "failed to close the circuit breaker of the runtime");
            }
            if let Err(error) = workers::set_handle(&app.work_database, worker_id, &handle).await {
                // Only shown to people: the runtime identifies its workers by labels.
                let error = chain(&error);
                tracing::warn!(%worker_id, %error, "failed to record the handle of a worker");
            }
            true
        }
        Err(error) => {
            let why = chain(&error).to_string();
            tracing::error!(%worker_id, %work_item_id, %epoch, error = why, "failed to start a worker");
            metrics::worker_start(false);
            let cause = if error.is_missing_image() {
                FailureCause::ImageUnavailable
            } else {
                FailureCause::RuntimeUnavailable
            };
            let end = AttemptEnd {
                cause,
                reason: format!("The worker could not be started: {why}."),
                retry_after: None,
                // Not `Exit`: the start may have failed half-way, and then the rest of it has to be stopped.
                by: EndedBy::Reconciler,
            };
            if let Err(error) = end_attempt(app, worker_id, &end).await {
                // A reconciler ends it when the runtime does not list it.
                let error = chain(&error);
                tracing::warn!(%worker_id, %error, "failed to record that a worker was not started");
            }
            false
        }
    }
}

fn spec(app: &App, claim: Claim) -> WorkerSpec {
    let settings = &app.config.worker;
    let mut environment: BTreeMap<String, String> = settings
        .passed_on
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
    set("WORKER_ID", claim.worker.to_string());
    set("ORCHESTRATOR_URL", base(&app.worker_url));
    set("RALPH_HARNESS", settings.ralph_harness.clone());
    set("CLAUDE_BIN", settings.claude_bin.clone());
    if let Some(model) = &settings.claude_model {
        set("CLAUDE_MODEL", model.clone());
    }
    let has_own_network = app.runtime.has_own_network();
    if let Some(gateway) = settings.access.gateway() {
        reach_gateway_without_proxy(&mut environment, &gateway.url, has_own_network);
    }
    let access = access(settings, &claim.gateway_tokens, has_own_network);
    environment.extend(access.environment);
    let worker_token = Credential {
        file_name: "worker-token",
        secret: SecretString::from(claim.token.reveal()),
    };
    WorkerSpec {
        worker_id: claim.worker,
        work_item_id: claim.item.id,
        repo: claim.item.repo,
        epoch: claim.item.lease_epoch,
        environment,
        credentials: iter::once(worker_token).chain(access.credentials).collect(),
    }
}

/// The proxies of this machine are not for the way to the gateway. In a network of its own, a worker reaches none of them.
fn reach_gateway_without_proxy(
    environment: &mut BTreeMap<String, String>,
    gateway: &Url,
    has_own_network: bool,
) {
    if has_own_network {
        let names = machine::PROXY_VARIABLES
            .into_iter()
            .chain(machine::NO_PROXY_VARIABLES);
        names.for_each(|name| {
            environment.remove(name);
        });
    } else if let Some(host) = gateway.host_str()
        && machine::PROXY_VARIABLES
            .into_iter()
            .any(|name| environment.contains_key(name))
    {
        // Programs differ in the one that they read.
        let listed = machine::NO_PROXY_VARIABLES
            .into_iter()
            .find_map(|name| environment.get(name).cloned());
        for name in machine::NO_PROXY_VARIABLES {
            let hosts = environment.get(name).or(listed.as_ref());
            let hosts = hosts.map_or_else(|| host.to_owned(), |hosts| format!("{hosts},{host}"));
            environment.insert(name.to_owned(), hosts);
        }
    }
}

/// The way of a worker to GitHub and the model API.
struct Access {
    environment: Vec<(String, String)>,
    /// docs/decisions/0005-credentials-in-files.md
    credentials: Vec<Credential>,
}

fn access(settings: &WorkerSettings, tokens: &GatewayTokens, has_own_network: bool) -> Access {
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    let credential = |file_name, secret: &str| Credential {
        file_name,
        secret: SecretString::from(secret),
    };
    match &settings.access {
        WorkerAccess::Gateway(gateway) => {
            let url = base(&gateway.url);
            let mut environment = vec![
                ("GITHUB_API_URL", format!("{url}/github")),
                ("GITHUB_GIT_URL", format!("{url}/git")),
                ("ANTHROPIC_BASE_URL", format!("{url}/anthropic")),
            ];
            if let Some(host) = settings.github_git_url.host_str() {
                environment.push(("GITHUB_HOST", host.to_owned()));
            }
            if has_own_network {
                environment.push(("EGRESS_PROXY_URL", url));
            }
            Access {
                environment: environment.into_iter().map(named).collect(),
                credentials: vec![
                    credential("github-token", tokens.delivery.reveal()),
                    credential("gateway-token", tokens.agent.reveal()),
                ],
            }
        }
        WorkerAccess::Direct(direct) => {
            let environment = [
                ("GITHUB_API_URL", base(&direct.github_api_url)),
                ("GITHUB_GIT_URL", base(&settings.github_git_url)),
                ("ANTHROPIC_BASE_URL", base(&direct.anthropic_base_url)),
            ];
            let model = match &direct.model_credential {
                ModelCredential::ApiKey(key) => credential("anthropic-api-key", key.expose_secret()),
                ModelCredential::OauthToken(token) => {
                    credential("claude-code-oauth-token", token.expose_secret())
                }
            };
            let github = credential("github-token", direct.github_token.expose_secret());
            Access {
                environment: environment.map(named).into(),
                credentials: vec![github, model],
            }
        }
    }
}

/// A base URL to which paths are appended.
fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
