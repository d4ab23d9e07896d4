//! Every change of a worker's state, guarded by the states that it may come from and the lease epoch.

use std::time::Duration;

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::checks::TestReport;
use whim_core::{FailureCause, LeaseEpoch, WorkerId, WorkerStatus};

use super::final_response::FinalResponse;
use crate::metrics;

/// Stores the runtime's own identifier of the worker.
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

/// `starting` to `running`, for the process with this nonce; `false` when it is late.
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
    /// A terminal state.
    pub status: WorkerStatus,
    /// `None` when it completed or its item was cancelled.
    pub cause: Option<FailureCause>,
    /// The reason, for people.
    pub error: Option<&'a str>,
    pub tests: Option<&'a TestReport>,
    /// Set when the worker sent the report itself.
    pub final_response: Option<&'a FinalResponse>,
    /// Whether the runtime has to stop it.
    pub stop_requested: bool,
    /// Whether the runtime has confirmed that nothing of it is left.
    pub stopped: bool,
}

/// To a terminal state; `false` when it had ended before.
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
        // Last statement of the transaction: if the commit fails, this end is counted twice.
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        metrics::attempt_ended(end.status, end.cause, took);
    }
    Ok(seconds.is_some())
}

/// Records that nothing of an ended worker is left in the runtime. Does nothing for a live worker.
pub async fn mark_stopped(db: impl PgExecutor<'_>, id: WorkerId) -> sqlx::Result<()> {
    sqlx::query!(
        "update workers set stopped_at = now() where id = $1 and ended_at is not null and stopped_at is null",
        id as WorkerId
    )
    .execute(db)
    .await?;
    Ok(())
}
