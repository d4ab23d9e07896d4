//! Queues of any length, in seconds.

use sqlx::PgPool;

/// Adds items `from` to `to` (exclusive) to the queue, of all priorities and of a hundred repositories; `wait` has them wait
/// for a time that does not come.
pub(crate) async fn fill(database: &PgPool, from: u32, to: u32, wait: bool) -> anyhow::Result<()> {
    // Identifiers that rise, as real ones do.
    sqlx::query(
        "insert into work_items (id, repo, branch, status, priority, source, source_ref, tasks_total, queued_at, next_retry_at)
         select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                'bench/repo-' || n % 100, 'whim/' || n, 'queued',
                (enum_range(null::priority))[1 + n % 4], 'bench', n::text, 3,
                now() - interval '1 day' + n * interval '10 ms',
                case when $3 then now() + interval '1 day' end
         from generate_series($1::bigint, $2::bigint - 1) as n",
    )
    .bind(i64::from(from))
    .bind(i64::from(to))
    .bind(wait)
    .execute(database)
    .await?;
    sqlx::query(
        "insert into work_item_texts (work_item_id, spec)
         select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                '# Task ' || n || E'\\n\\n- [ ] Make it\\n- [ ] Test it\\n- [ ] Document it\\n'
         from generate_series($1::bigint, $2::bigint - 1) as n",
    )
    .bind(i64::from(from))
    .bind(i64::from(to))
    .execute(database)
    .await?;
    // What autovacuum would have done by the time that a queue is this long.
    sqlx::query("vacuum analyze work_items").execute(database).await?;
    Ok(())
}

/// Removes everything.
pub(crate) async fn clear(database: &PgPool) -> anyhow::Result<()> {
    sqlx::query("truncate work_items cascade")
        .execute(database)
        .await?;
    Ok(())
}
