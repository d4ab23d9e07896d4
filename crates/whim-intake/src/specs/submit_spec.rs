//! Submits a spec, or the reason why there is none, to the orchestrator.

use std::time::Duration;

use whim_client::{Client, ClientError};
use whim_core::WorkItemId;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::work::{FailSpec, PutSpec, WorkItem};
use whim_service::backoff::{self, ExponentialBuilder, Retryable as _};
use whim_service::chain::chain;

use super::generate::SpecFailure;
use crate::text;

/// The orchestrator accepts 4 KiB.
const MAX_REASON_BYTES: usize = 3500;

/// A spec costs money, so it must survive a restart of the orchestrator. The attempts take about a quarter of an hour.
const BACKOFF: ExponentialBuilder =
    backoff::exponential(Duration::from_millis(500), Duration::from_secs(30)).with_max_times(MAX_RETRIES);
const MAX_RETRIES: usize = 24;

enum SpecResult {
    Spec(PutSpec),
    Failure(FailSpec),
}

/// Returns the item, or `None` if this run of it no longer needs a spec.
pub(super) async fn submit_spec(
    client: &Client,
    (id, run): (WorkItemId, u32),
    written: Result<String, SpecFailure>,
) -> Result<Option<WorkItem>, ClientError> {
    let result = match written {
        Ok(spec) => SpecResult::Spec(PutSpec { run, spec }),
        Err(failure) => failure_result(id, run, failure),
    };
    let submitted = match submit_with_retry(client, id, &result).await {
        // The orchestrator has stricter rules. Another spec would cost money and be refused too.
        Err(error) if matches!(result, SpecResult::Spec(_)) && is_invalid_text(&error) => {
            let reason = format!(
                "The orchestrator refused the checklist that was written: {}.",
                chain(&error)
            );
            submit_with_retry(
                client,
                id,
                &failure_result(id, run, SpecFailure::permanent(reason)),
            )
            .await
        }
        submitted => submitted,
    };
    match submitted {
        Ok(item) => Ok(Some(item)),
        // Cancelled or requeued meanwhile, or submitted by another intake.
        Err(error) if error.code() == Some(ErrorCode::WrongState) => Ok(None),
        Err(error) => Err(error),
    }
}

fn failure_result(id: WorkItemId, run: u32, failure: SpecFailure) -> SpecResult {
    let SpecFailure {
        reason,
        retryable,
        cause,
        retry_after,
    } = failure;
    tracing::warn!(work_item = %id, retryable, reason, "cannot write a spec");
    let reason = text::strip_invisible(&reason);
    SpecResult::Failure(FailSpec {
        run,
        reason: text::prefix(&reason, MAX_REASON_BYTES).to_owned(),
        retryable,
        cause,
        retry_after_seconds: retry_after.map(|wait| wait.as_secs().max(1)),
    })
}

fn is_invalid_text(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::InvalidRequest | ErrorCode::TooLarge)
    )
}

/// Retries while the orchestrator is unavailable.
async fn submit_with_retry(
    client: &Client,
    id: WorkItemId,
    result: &SpecResult,
) -> Result<WorkItem, ClientError> {
    let submit = || async move {
        match result {
            SpecResult::Spec(spec) => client.put_spec(id, spec).await,
            SpecResult::Failure(fail) => client.fail_spec(id, fail).await,
        }
    };
    submit
        .retry(BACKOFF)
        .when(ClientError::is_temporary)
        .notify(|error, delay| {
            tracing::debug!(work_item = %id, error = %chain(error), delay_ms = delay.as_millis(), "cannot submit the result of a spec; retrying");
        })
        .await
}
