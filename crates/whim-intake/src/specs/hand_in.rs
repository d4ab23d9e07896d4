//! Tells the orchestrator what came of a spec.

use std::time::Duration;

use whim_client::{Client, ClientError};
use whim_core::WorkItemId;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::work::{FailSpec, PutSpec, WorkItem};
use whim_service::backoff::{self, BackoffBuilder as _, ExponentialBuilder};
use whim_service::chain::chain;

use super::write::SpecFailure;
use crate::text;

/// The orchestrator takes 4 KiB.
const MAX_REASON_BYTES: usize = 3500;

/// What was written cost money: it outlasts a restart of the orchestrator. After about a quarter of an hour it is given
/// up, and makes room for others.
const DELAYS: ExponentialBuilder = backoff::exponential(Duration::from_millis(500), Duration::from_secs(30));
const ATTEMPTS: usize = 25;

enum Outcome {
    Spec(PutSpec),
    None(FailSpec),
}

/// Hands in a spec, or the reason why there is none; gives the item, or nothing where it needs no spec any more.
pub(super) async fn hand_in(
    client: &Client,
    id: WorkItemId,
    written: Result<String, SpecFailure>,
) -> Result<Option<WorkItem>, ClientError> {
    let outcome = match written {
        Ok(spec) => Outcome::Spec(PutSpec { spec }),
        Err(failure) => without_spec(id, failure),
    };
    let answer = match insist(client, id, &outcome).await {
        // It has other rules than we know. Writing the spec anew would cost money each time and change nothing.
        Err(error) if matches!(outcome, Outcome::Spec(_)) && is_about_the_text(&error) => {
            let reason = format!(
                "A checklist was written, but it was not taken: {}.",
                chain(&error)
            );
            insist(client, id, &without_spec(id, SpecFailure::is_final(reason))).await
        }
        answer => answer,
    };
    match answer {
        Ok(item) => Ok(Some(item)),
        // Cancelled meanwhile, or handed in by another intake.
        Err(error) if error.code() == Some(ErrorCode::WrongState) => Ok(None),
        Err(error) => Err(error),
    }
}

fn without_spec(id: WorkItemId, failure: SpecFailure) -> Outcome {
    let SpecFailure {
        reason,
        retryable,
        cause,
        retry_after,
    } = failure;
    tracing::warn!(work_item = %id, retryable, reason, "no spec could be written");
    let reason = text::without_invisible(&reason);
    Outcome::None(FailSpec {
        reason: text::beginning(&reason, MAX_REASON_BYTES).to_owned(),
        retryable,
        cause,
        retry_after_seconds: retry_after.map(|wait| wait.as_secs().max(1)),
    })
}

fn is_about_the_text(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::InvalidRequest | ErrorCode::TooLarge)
    )
}

/// Calls until the orchestrator is there to answer.
async fn insist(client: &Client, id: WorkItemId, outcome: &Outcome) -> Result<WorkItem, ClientError> {
    let mut delays = DELAYS.build().take(ATTEMPTS - 1);
    loop {
        let answer = match outcome {
            Outcome::Spec(spec) => client.put_spec(id, spec).await,
            Outcome::None(fail) => client.fail_spec(id, fail).await,
        };
        match (answer, delays.next()) {
            (Err(error), Some(delay)) if error.is_temporary() => {
                tracing::debug!(work_item = %id, error = %chain(&error), delay_ms = delay.as_millis(), "the outcome of a spec waits for the orchestrator");
                tokio::time::sleep(delay).await;
            }
            (answer, _) => return answer,
        }
    }
}
