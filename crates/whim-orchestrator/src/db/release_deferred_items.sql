-- Ends the backoff of items that were deferred because of a breaker: subject $1, name $2. $3 is whether workers use the
-- credential of that name, $4 whether spec generation does (for the model only).
--
-- The first item is released at once, the others in queue order over $5 seconds, and none later than it was due. Items
-- that are being changed are skipped: they are not in backoff, or are about to leave it.
with deferred as (
    select i.id, i.priority, i.queued_at
    from work_items i
    where i.next_retry_at > now()
      and case $1::breaker_subject
          when 'model' then
              i.failure_cause in ('model_unavailable', 'model_limited', 'model_refused')
              and case i.status when 'generating' then $4::boolean else $3::boolean end
          when 'github' then i.failure_cause in ('github_unavailable', 'github_refused')
          when 'runtime' then
              (i.failure_cause in ('runtime_unavailable', 'disk_full') or i.failed_starts > 0)
              and exists (select from workers w where w.id = i.worker_id and w.instance = $2)
          when 'repository' then
              i.failure_cause in ('github_unavailable', 'image_unavailable', 'registry_unavailable')
              and lower(i.repo) = $2::text
          end
    for update skip locked
),
released as (
    select id,
        now() + make_interval(secs =>
            $5::float8 * (row_number() over (order by priority, queued_at, id) - 1) / count(*) over ()) as due
    from deferred
)
update work_items i
set next_retry_at = case when r.due > now() then r.due end, updated_at = now()
from released r
where i.id = r.id and r.due < i.next_retry_at
