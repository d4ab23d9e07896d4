//! Asking the runtime for a worker, and undoing the claim when it cannot give one.

use std::collections::BTreeMap;

use url::Url;
use whim_core::FailureCause;
use whim_service::chain::chain;
use whim_service::secret::{ExposeSecret as _, SecretString};

use super::claim::Claim;
use crate::app::App;
use crate::config::{ModelCredential, WorkerSettings};
use crate::db::{breakers, workers};
use crate::lifecycle::{AttemptEnd, EndedBy, end_attempt};
use crate::metrics;
use whim_runtime::{Credential, RuntimeHandle, WorkerSpec};

/// Has the worker started; answers whether it was. One that was not costs its item no retry: the item waits.
pub(super) async fn launch(app: &App, claim: Claim) -> bool {
    let (worker_id, work_item_id, epoch) = (claim.worker, claim.item.id, claim.item.lease_epoch);
    let breakers_were_open = claim.breakers;
    let spec = spec(app, claim);
    match app.runtime.start(spec).await {
        Ok(RuntimeHandle(handle)) => {
            metrics::worker_start(true);
            tracing::info!(%worker_id, %work_item_id, %epoch, handle, "worker started");
            if breakers_were_open
                && let Err(error) = breakers::runtime_starts(&app.work_database, app.runtime.instance()).await
            {
                // Closed as well when the worker registers.
                let error = chain(&error);
                tracing::warn!(%worker_id, %error, "that workers can be started was not kept yet");
            }
            if let Err(error) = workers::set_handle(&app.work_database, worker_id, &handle).await {
                // Only for people who look: the runtime finds its workers by their identifiers.
                let error = chain(&error);
                tracing::warn!(%worker_id, %error, "what a worker is found by was not kept");
            }
            true
        }
        Err(error) => {
            let why = chain(&error).to_string();
            tracing::error!(%worker_id, %work_item_id, %epoch, error = why, "a worker could not be started");
            metrics::worker_start(false);
            let end = AttemptEnd {
                cause: FailureCause::RuntimeUnavailable,
                reason: format!("The worker could not be started: {why}."),
                retry_after: None,
                // Not `Exit`: the start may have failed half-way, and then the rest of it has to be stopped.
                by: EndedBy::Reconciler,
            };
            if let Err(error) = end_attempt(app, worker_id, &end).await {
                // The row ends when the runtime is seen not to have it.
                let error = chain(&error);
                tracing::warn!(%worker_id, %error, "the end of a worker that was not started was not kept yet");
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

/// Everything secret that a worker gets, in one place (`DESIGN.md`, "The seam for secrets").
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

/// Paths are appended to it.
fn base(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}
