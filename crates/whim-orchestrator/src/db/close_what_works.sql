-- What the evidence is: the model answered when the agent called a tool or told of tokens, GitHub gave the repository
-- when the first iteration began, the runtime works when a worker registered (the disk, when it got as far as an
-- iteration), and a repository does not crash workers when one of them ended otherwise.
delete from breakers b
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
                 w.status = 'completed'
                 or coalesce((t.stats -> 'tokens' ->> 'output')::bigint, 0) > 0
                 or exists (
                     select from events e
                     where e.worker_id = w.id and e.kind = 'worker_event'
                       and e.body -> 'event' ->> 'event' in ('tool', 'commit', 'task_complete')
                 )
             when 'github' then w.status = 'completed' or t.iteration > 0
             when 'runtime' then
                 w.instance = b.name
                 and case when b.cause = 'disk_full' then t.iteration > 0 else w.registered_at is not null end
             when 'repository' then
                 lower(i.repo) = b.name
                 and w.registered_at is not null
                 and (w.status in ('completed', 'stuck')
                      or w.failure_cause in ('tests_failed', 'iterations_used_up', 'push_refused', 'pull_request_refused'))
         end
   )
returning subject, name
