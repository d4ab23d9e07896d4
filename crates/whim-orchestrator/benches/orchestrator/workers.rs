//! Workers that exist as rows only, which is enough for the worker protocol.

use sqlx::PgPool;
use uuid::Uuid;
use whim_core::{WorkItemId, WorkerId, WorkerToken};

#[derive(Clone, Debug)]
pub(crate) struct RunningWorker {
    pub(crate) id: WorkerId,
    pub(crate) token: WorkerToken,
}

/// Inserts running workers, each with an item of its own. They belong to another instance, so that no orchestrator
/// checks for their processes.
pub(crate) async fn make(database: &PgPool, count: usize) -> anyhow::Result<Vec<RunningWorker>> {
    let workers: Vec<RunningWorker> = (0..count)
        .map(|_| RunningWorker {
            id: WorkerId::new(),
            token: WorkerToken::generate(),
        })
        .collect();
    let ids: Vec<Uuid> = workers.iter().map(|worker| worker.id.as_uuid()).collect();
    let items: Vec<Uuid> = workers.iter().map(|_| WorkItemId::new().as_uuid()).collect();
    let hashes: Vec<Vec<u8>> = workers
        .iter()
        .map(|worker| worker.token.hash().to_vec())
        .collect();
    let mut transaction = database.begin().await?;
    sqlx::query(
        "insert into work_items (id, repo, branch, status, priority, source, lease_epoch, worker_id, started_at)
         select item, 'bench/workers', 'whim/' || item, 'in_progress', 'medium', 'bench', 1, worker, now()
         from unnest($1::uuid[], $2::uuid[]) as row (item, worker)",
    )
    .bind(&items)
    .bind(&ids)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into work_item_texts (work_item_id, spec)
         select item, E'# Task\\n\\n- [ ] Make it\\n' from unnest($1::uuid[]) as item",
    )
    .bind(&items)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into workers
            (id, work_item_id, lease_epoch, status, token_hash, nonce, max_iterations, runtime, instance, registered_at)
         select worker, item, 1, 'running', hash, 'bench', 50, 'process', 'bench', now()
         from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as row (worker, item, hash)",
    )
    .bind(&ids)
    .bind(&items)
    .bind(&hashes)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into worker_heartbeats (worker_id, lease_expires_at)
         select worker, now() + interval '1 hour' from unnest($1::uuid[]) as worker",
    )
    .bind(&ids)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(workers)
}
