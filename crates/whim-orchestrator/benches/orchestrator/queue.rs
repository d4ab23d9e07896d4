//! Queues of any length, in seconds.

use sqlx::PgPool;

/// Adds items `from` to `to` (exclusive) to the queue, of all priorities and of a hundred repositories, submitted two days
/// ago; `wait` has them wait for a time that does not come.
pub(crate) async fn fill(database: &PgPool, from: u32, to: u32, wait: bool) -> anyhow::Result<()> {
    let (first, last) = (i64::from(from), i64::from(to) - 1);
    let mut transaction = database.begin().await?;
    // No triggers: what they record of each item is history by now. Only the counts have to be right.
    sqlx::query("set local session_replication_role = replica")
        .execute(&mut *transaction)
        .await?;
    // Identifiers that rise, as real ones do.
    sqlx::query(
        "insert into work_items (id, repo, branch, status, priority, source, source_ref, tasks_total,
                                 created_at, queued_at, next_retry_at)
         select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                'bench/repo-' || n % 100, 'whim/' || n, 'queued',
                (enum_range(null::priority))[1 + n % 4], 'bench', n::text, 3,
                now() - interval '2 days', now() - interval '2 days' + n * interval '10 ms',
                case when $3 then now() + interval '1 day' end
         from generate_series($1::bigint, $2::bigint) as n",
    )
    .bind(first)
    .bind(last)
    .bind(wait)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into work_item_texts (work_item_id, spec)
         select ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                '# Task ' || n || E'\\n\\n- [ ] Make it\\n- [ ] Test it\\n- [ ] Document it\\n'
         from generate_series($1::bigint, $2::bigint) as n",
    )
    .bind(first)
    .bind(last)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "insert into work_item_counts (status, priority, delta)
         select 'queued', (enum_range(null::priority))[1 + n % 4], count(*)
         from generate_series($1::bigint, $2::bigint) as n group by 2",
    )
    .bind(first)
    .bind(last)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
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
