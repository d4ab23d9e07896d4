//! Fills queues of any length within seconds.

use sqlx::PgPool;

/// Adds items `from` to `to` (exclusive), of all priorities and of a hundred repositories, submitted two days ago. With
/// `in_backoff` their next attempt is a day ahead.
pub(crate) async fn fill(database: &PgPool, from: u32, to: u32, in_backoff: bool) -> anyhow::Result<()> {
    let (first, last) = (i64::from(from), i64::from(to) - 1);
    let mut transaction = database.begin().await?;
    // Without triggers: only the counts matter here.
    sqlx::query("set local session_replication_role = replica")
        .execute(&mut *transaction)
        .await?;
    // Ascending identifiers, like UUIDv7.
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
    .bind(in_backoff)
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
    // Autovacuum would have run by the time a queue is this long.
    sqlx::query("vacuum analyze work_items").execute(database).await?;
    Ok(())
}

pub(crate) async fn clear(database: &PgPool) -> anyhow::Result<()> {
    sqlx::query("truncate work_items cascade")
        .execute(database)
        .await?;
    Ok(())
}
