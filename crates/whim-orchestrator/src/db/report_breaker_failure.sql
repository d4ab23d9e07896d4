-- Counts a failure against a breaker: subject $1, name $2, cause $3, reason $4, of item $5 in repository $6.
--
-- A breaker that has expired starts over. Failures while it is open are not counted, as they belong to the same outage.
-- Of items and repositories the latest eight are kept.
insert into breakers as b (subject, name, cause, reason, failures, item_ids, repositories)
values ($1, $2, $3, $4, 1, array[$5::uuid], array[$6::text])
on conflict (subject, name) do update set
    cause = excluded.cause, reason = excluded.reason, failed_at = now(), probe_worker_id = null,
    failures = case
        when b.has_fixed_expiry and b.retry_at <= now() then 1
        when b.retry_at > now() then b.failures
        else b.failures + 1 end,
    item_ids = case
        when b.has_fixed_expiry and b.retry_at <= now() then excluded.item_ids
        else (excluded.item_ids || array_remove(b.item_ids, $5))[:8] end,
    repositories = case
        when b.has_fixed_expiry and b.retry_at <= now() then excluded.repositories
        else (excluded.repositories || array_remove(b.repositories, $6))[:8] end,
    opened_at = case when b.has_fixed_expiry and b.retry_at <= now() then null else b.opened_at end,
    retry_at = case when b.has_fixed_expiry and b.retry_at <= now() then null else b.retry_at end,
    has_fixed_expiry = b.has_fixed_expiry and b.retry_at > now()
returning failures, cardinality(item_ids) as "items!", cardinality(repositories) as "repositories!",
    opened_at is not null as "open!"
