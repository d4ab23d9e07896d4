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

/// Inserts workers that ended today after three iterations each, with an item of their own, and with what their triggers
/// would have added up.
pub(crate) async fn end_today(database: &PgPool, count: u32) -> anyhow::Result<()> {
    let mut transaction = database.begin().await?;
    // Without triggers, whose sums follow below.
    // Without triggers, whose sums follow below.
    sqlx::query("set local session_replication_role = replica")
        .execute(&mut *transaction)
        .await?;
    sqlx::query(
        "create temporary table ended (item uuid, worker uuid, n integer, ended_at timestamptz) on commit drop",
    )
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into ended
         select gen_random_uuid(), gen_random_uuid(), n,
                greatest(now() - n * interval '1 ms', date_trunc('day', now() at time zone 'utc') at time zone 'utc')
         from generate_series(1, $1) as n",
    )
    .bind(i32::try_from(count)?)
    .execute(&mut *transaction)
    .await?;
    sqlx::raw_sql(
        r#"insert into work_items (id, repo, branch, status, priority, source, lease_epoch, worker_id, pr_url, created_at,
                                   started_at, ended_at)
           select item, 'bench/repo-' || n % 100, 'whim/' || item, 'completed', 'medium', 'bench', 1, worker,
                  'https://github.com/bench/repo/pull/1', ended_at - interval '1 hour', ended_at - n % 3600 * interval '1 s',
                  ended_at
           from ended;
           insert into work_item_texts (work_item_id, spec) select item, E'# Task\n\n- [x] Make it\n' from ended;
           insert into workers (id, work_item_id, lease_epoch, status, token_hash, nonce, max_iterations, runtime, instance,
                                started_at, registered_at, ended_at, stopped_at)
           select worker, item, 1, 'completed', sha256(worker::text::bytea), 'bench', 50, 'process', 'bench',
                  ended_at - n % 3600 * interval '1 s', ended_at - n % 3600 * interval '1 s', ended_at, ended_at
           from ended;
           insert into worker_heartbeats (worker_id, lease_expires_at, iteration, stats)
           select worker, now(), 3, '{"tokens": {"input": 1000, "output": 200}, "costUsd": 0.1}' from ended;
           insert into worker_iterations (worker_id, iteration) select worker, generate_series(1, 3) from ended;
           insert into work_item_counts (status, priority, delta) select 'completed', 'medium', count(*) from ended;
           insert into daily_usage (day, repo, iterations, input_tokens, output_tokens, cost_usd)
           select (now() at time zone 'utc')::date, 'bench/repo-' || n % 100, 3 * count(*), 1000 * count(*), 200 * count(*),
                  0.1 * count(*)
           from ended group by 2;"#,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}
