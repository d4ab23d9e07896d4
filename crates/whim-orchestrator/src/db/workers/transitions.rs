//! Every change of a worker's state, guarded like those of items.

use std::time::Duration;

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::events::TestReport;
use whim_core::{FailureCause, LeaseEpoch, WorkerId, WorkerStatus};

use super::FinalResponse;
use crate::metrics;

/// Keeps what the runtime finds the worker by.
pub async fn set_handle(db: impl PgExecutor<'_>, id: WorkerId, handle: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "update workers set handle = $2 where id = $1",
        id as WorkerId,
        handle
    )
    .execute(db)
    .await?;
    Ok(())
}

/// `starting` to `running`, for the process that calls itself `nonce`; `false` when it was late.
pub async fn register(
    db: &mut PgConnection,
    id: WorkerId,
    epoch: LeaseEpoch,
    nonce: &str,
    lease: Duration,
) -> sqlx::Result<bool> {
    let changed = sqlx::query!(
        "update workers set status = 'running', nonce = $4, registered_at = now()
         where id = $1 and lease_epoch = $2 and status = any($3) and nonce is null",
        id as WorkerId,
        epoch as LeaseEpoch,
        WorkerStatus::Running.predecessors() as &[WorkerStatus],
        nonce,
    )
    .execute(&mut *db)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "update worker_heartbeats
         set last_heartbeat_at = now(), progress_at = now(), lease_expires_at = now() + make_interval(secs => $2)
         where worker_id = $1",
        id as WorkerId,
        lease.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(true)
}

/// How a worker ended.
#[derive(Clone, Debug)]
pub struct End<'a> {
    /// One of the terminal states.
    pub status: WorkerStatus,
    /// Why, for a program; `None` when it completed.
    pub cause: Option<FailureCause>,
    /// Why, for a person.
    pub error: Option<&'a str>,
    /// What the project's own tests said, where it told.
    pub tests: Option<&'a TestReport>,
    /// The report that it sent itself, and the answer.
    pub final_response: Option<&'a FinalResponse>,
    /// Whether its runtime has to stop it.
    pub stop_requested: bool,
    /// Whether its runtime was seen to have nothing of it left.
    pub stopped: bool,
}

/// To a terminal state; `false` when it was in one already.
pub async fn end(
    db: &mut PgConnection,
    id: WorkerId,
    epoch: LeaseEpoch,
    end: &End<'_>,
) -> sqlx::Result<bool> {
    let seconds = sqlx::query_scalar!(
        r#"update workers
         set status = $4, failure_cause = $5, error = $6, final_response = $7, stop_requested = $8, ended_at = now(),
             stopped_at = case when $9 then now() end, tests = $10
         where id = $1 and lease_epoch = $2 and status = any($3)
         returning extract(epoch from now() - started_at)::float8 as "seconds!""#,
        id as WorkerId,
        epoch as LeaseEpoch,
        end.status.predecessors() as &[WorkerStatus],
        end.status as WorkerStatus,
        end.cause as Option<FailureCause>,
        end.error,
        end.final_response.map(Json) as Option<Json<&FinalResponse>>,
        end.stop_requested,
        end.stopped,
        end.tests.map(Json) as Option<Json<&TestReport>>,
    )
    .fetch_optional(db)
    .await?;
    if let Some(seconds) = seconds {
        // The last statement of its transaction: should the commit fail, it is counted once too often.
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        metrics::attempt_ended(end.status, end.cause, took);
    }
    Ok(seconds.is_some())
}

/// The runtime has nothing of this ended worker left. Says nothing of a worker that lives: its end comes first.
pub async fn mark_stopped(db: impl PgExecutor<'_>, id: WorkerId) -> sqlx::Result<()> {
    sqlx::query!(
        "update workers set stopped_at = now() where id = $1 and ended_at is not null and stopped_at is null",
        id as WorkerId
    )
    .execute(db)
    .await?;
    Ok(())
}
