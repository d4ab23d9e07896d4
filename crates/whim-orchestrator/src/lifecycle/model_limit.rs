//! `POST /api/gateway/limits`.

use std::time::Duration;

use whim_core::FailureCause;
use whim_core::protocol::gateway::{ModelLimit, ModelLimitReported, ReportModelLimit};

use super::attempt::Attempt;
use crate::app::App;
use crate::breakers;
use crate::db::in_transaction;
use crate::error::Error;
use crate::validate::{self, MAX_REASON_CHARACTERS};

/// 366 days.
const MAX_RETRY_AFTER_SECONDS: u64 = 366 * 24 * 60 * 60;

/// Counts what the model API answered to an agent against the breaker of the credential, while the attempt goes on: others need
/// not find it out by themselves.
///
/// # Errors
/// The worker does not live or lost its item, a field is invalid, or Postgres is unavailable.
pub async fn model_limit(app: &App, request: ReportModelLimit) -> Result<ModelLimitReported, Error> {
    let ReportModelLimit {
        worker_id,
        limit,
        message,
        retry_after_seconds,
    } = request;
    validate::text("message", &message, MAX_REASON_CHARACTERS)?;
    if let Some(seconds) = retry_after_seconds
        && seconds > MAX_RETRY_AFTER_SECONDS
    {
        let problem = format!("was {seconds}; expected at most {MAX_RETRY_AFTER_SECONDS}");
        return Err(Error::invalid("retryAfterSeconds", problem));
    }
    let cause = match limit {
        ModelLimit::Rate | ModelLimit::Spend => FailureCause::ModelLimited,
        ModelLimit::Credential => FailureCause::ModelRefused,
    };
    in_transaction(&app.work_database, async |db| {
        let attempt = Attempt::lock(db, worker_id)
            .await?
            .ok_or(Error::NoSuchWorker(worker_id))?;
        attempt.require_running("report a limit of the model API")?;
        let failure = breakers::Failure {
            cause,
            reason: &message,
            retry_after: retry_after_seconds.map(Duration::from_secs),
            before_registration: false,
            item: attempt.item.id,
            worker: Some(worker_id),
            repo: &attempt.item.repo,
            instance: &attempt.worker.instance,
            credential: breakers::worker_credential(&app.config),
        };
        let open_for = breakers::report(db, &app.config.breakers, &failure).await?;
        let open_for_seconds = open_for.map(|open_for| open_for.as_secs());
        tracing::warn!(%worker_id, %cause, message, open_for_seconds, "the model API reports a limit");
        Ok(ModelLimitReported { open_for_seconds })
    })
    .await
}
