//! The latest preflight of each repository.

use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::preflight::{Preflight, PreflightCheck, PreflightOutcome};
use whim_core::{BranchName, RepoName, WorkItemId, WorkerId};

/// What a worker found.
#[derive(Debug)]
pub struct NewPreflight<'a> {
    pub repo: &'a RepoName,
    pub worker_id: WorkerId,
    pub work_item_id: WorkItemId,
    pub branch: &'a BranchName,
    pub base: Option<&'a BranchName>,
    pub checks: &'a [PreflightCheck],
}

/// Replaces the preflight of the repository. The time is that of the database.
pub async fn replace(db: &mut PgConnection, preflight: NewPreflight<'_>) -> sqlx::Result<()> {
    let NewPreflight {
        repo,
        worker_id,
        work_item_id,
        branch,
        base,
        checks,
    } = preflight;
    sqlx::query!(
        "insert into preflights (repo, worker_id, work_item_id, branch, base, checks)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (lower(repo)) do update
         set repo = excluded.repo, worker_id = excluded.worker_id, work_item_id = excluded.work_item_id,
             branch = excluded.branch, base = excluded.base, checks = excluded.checks, checked_at = now()",
        repo.as_str(),
        worker_id as WorkerId,
        work_item_id as WorkItemId,
        branch.as_str(),
        base.map(BranchName::as_str),
        Json(checks) as _
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The latest preflight of a repository, whatever the case of its name.
pub async fn find(db: impl PgExecutor<'_>, repo: &RepoName) -> sqlx::Result<Option<Preflight>> {
    let row = sqlx::query!(
        "select repo, worker_id, work_item_id, branch, base, checks, checked_at
         from preflights where lower(repo) = lower($1)",
        repo.as_str()
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let checks = row.checks.0;
        Preflight {
            repo: row.repo,
            checked_at: row.checked_at,
            work_item_id: row.work_item_id,
            worker_id: row.worker_id,
            branch: row.branch,
            base: row.base,
            passed: checks
                .iter()
                .all(|check| check.outcome != PreflightOutcome::Failed),
            checks,
        }
    }))
}
