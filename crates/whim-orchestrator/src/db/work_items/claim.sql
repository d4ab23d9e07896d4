-- The condition and the order of the inner query are those of the partial index `work_items_claim`, word for word: the
-- next item is its first entry that nobody has locked, whatever the length of the queue (a test looks at the plan).
update work_items
set status = 'assigned',
    lease_epoch = lease_epoch + 1,
    worker_id = $1,
    started_at = now(),
    updated_at = now()
where id = (
    select id
    from work_items
    where status = 'queued' and next_retry_at is null
    order by priority, queued_at, id
    limit 1
    for update skip locked
)
returning id, repo, branch, lease_epoch, max_iterations,
    case when lease_epoch = 1 then extract(epoch from clock_timestamp() - queued_at)::float8 end as waited_seconds
