-- What must hold in every state that a transaction can see; one row for each violation.
with live as (
    select * from workers where status in ('starting', 'running')
)
select format('item %s has %s live workers', work_item_id, count(*)) as what
from live group by work_item_id having count(*) > 1
union all
select format('item %s is %s for worker %s (epoch %s), which is %s (epoch %s)',
              i.id, i.status, i.worker_id, i.lease_epoch, coalesce(w.status::text, 'not there'), w.lease_epoch)
from work_items i left join workers w on w.id = i.worker_id
where i.status in ('assigned', 'in_progress')
  and (w.id is null or w.work_item_id <> i.id or w.lease_epoch <> i.lease_epoch
       or w.status::text <> case i.status when 'assigned' then 'starting' else 'running' end)
union all
select format('worker %s is %s for item %s, which is %s', w.id, w.status, i.id, i.status)
from live w join work_items i on i.id = w.work_item_id
where i.status not in ('assigned', 'in_progress') or i.worker_id is distinct from w.id
union all
select format('%s workers began and %s ended, but %s live', began, ended, living)
from (select count(*) filter (where not ended) as began, count(*) filter (where ended) as ended
      from whim_audit.workers) audit_counts,
     (select count(*) as living from live) live_count
where began - ended <> living
union all
select format('worker %s began %s times and ended %s times', worker_id,
              count(*) filter (where not ended), count(*) filter (where ended))
from whim_audit.workers group by worker_id
having count(*) filter (where not ended) <> 1 or count(*) filter (where ended) > 1
union all
select format('worker %s used %s iterations, up to number %s, and may use %s', w.id, count(n.iteration), max(n.iteration), w.max_iterations)
from workers w join worker_iterations n on n.worker_id = w.id
group by w.id having count(n.iteration) > w.max_iterations or max(n.iteration) > w.max_iterations
union all
select format('%s items of %s completed with pull request %s', count(*), lower(repo), pr_url)
from work_items where pr_url is not null group by lower(repo), pr_url having count(*) > 1
union all
select what from whim_audit.violations
