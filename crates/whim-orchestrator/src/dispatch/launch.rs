//! Starting the worker of a claim, and undoing the claim if that fails.

use std::collections::BTreeMap;

use url::Url;
use whim_core::FailureCause;
use whim_service::chain::chain;
use whim_service::secret::{ExposeSecret as _, SecretString};

use super::claim::Claim;
use crate::app::App;
use crate::breakers;
use crate::config::{ModelCredential, WorkerSettings};
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
    set("GITHUB_API_URL", base(&settings.github_api_url));
    set("GITHUB_GIT_URL", base(&settings.github_git_url));
    set("ANTHROPIC_BASE_URL", base(&settings.anthropic_base_url));
    set("RALPH_HARNESS", settings.ralph_harness.clone());
    set("CLAUDE_BIN", settings.claude_bin.clone());
    if let Some(model) = &settings.claude_model {
        set("CLAUDE_MODEL", model.clone());
    }
    WorkerSpec {
        worker_id: claim.worker,
        work_item_id: claim.item.id,
        repo: claim.item.repo,
        epoch: claim.item.lease_epoch,
        environment,
        credentials: credentials(settings, claim.token.reveal()),
    }
}

/// All secrets of a worker (docs/decisions/0005-credentials-in-files.md).
fn credentials(settings: &WorkerSettings, token: &str) -> Vec<Credential> {
    let copy = |secret: &SecretString| SecretString::from(secret.expose_secret());
    let mut credentials = vec![
        Credential {
            file_name: "worker-token",
            secret: SecretString::from(token),
        },
        Credential {
            file_name: "github-token",
            secret: copy(&settings.github_token),
        },
    ];
    match &settings.model_credential {
        ModelCredential::ApiKey(key) => credentials.push(Credential {
            file_name: "anthropic-api-key",
            secret: copy(key),
        }),
        ModelCredential::OauthToken(token) => credentials.push(Credential {
            file_name: "claude-code-oauth-token",
            secret: copy(token),
        }),
    }
    credentials
}

/// A base URL to which paths are appended.
fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
