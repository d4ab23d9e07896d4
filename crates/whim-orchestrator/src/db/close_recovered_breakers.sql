-- Deletes breakers that have expired, and those whose subject works again. $1 is the credential that workers use.
--
-- Evidence is what a worker that started after the latest failure achieved. Model: a tool call, or output tokens. GitHub:
-- the first iteration began, so the clone worked. Runtime: a worker registered (for a full disk: its first iteration
-- began). Repository: a worker ended in another way than the failure, or got past it.
--
-- Rows are locked in the order of the key, like every statement that locks several, and rows that a report has locked
-- are left to the next run.
with recovered as (
    select b.subject, b.name
    from breakers b
    where (b.has_fixed_expiry and b.retry_at <= now())
       or exists (
           select
           from workers w
           join work_items i on i.id = w.work_item_id
           join worker_heartbeats t on t.worker_id = w.id
           where (w.status in ('starting', 'running') or w.ended_at > b.failed_at)
             and w.started_at > b.failed_at
             and case b.subject
                 when 'model' then
                     b.name = $1
                     and (w.status = 'completed'
                          or coalesce((t.stats -> 'tokens' ->> 'output')::float8, 0) > 0
                          or exists (
                              select from events e
                              where e.worker_id = w.id and e.kind = 'worker_event'
                                and e.body -> 'event' ->> 'event' in ('tool', 'commit', 'task_complete')
                          ))
                 when 'github' then w.status = 'completed' or t.iteration > 0
                 when 'runtime' then
                     w.instance = b.name
                     and case when b.cause = 'disk_full' then t.iteration > 0 else w.registered_at is not null end
                 when 'repository' then
                     lower(i.repo) = b.name
                     and case b.cause
                         when 'image_unavailable' then w.registered_at is not null
                         when 'github_unavailable' then w.status = 'completed' or t.iteration > 0
                         when 'registry_unavailable' then w.status = 'completed' or w.failure_cause = 'tests_failed'
                         else
                             w.registered_at is not null
                             and (w.status in ('completed', 'stuck')
                                  or w.failure_cause in ('tests_failed', 'iterations_used_up', 'push_refused', 'pull_request_refused'))
                         end
             end
       )
    order by b.subject, b.name
    for update of b skip locked
)
delete from breakers b
using recovered
where b.subject = recovered.subject and b.name = recovered.name
returning b.subject, b.name
