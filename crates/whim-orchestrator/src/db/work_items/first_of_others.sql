-- The first item that is of none of the repositories in $1 (in lower case). The queue may be full of items of those, so
-- it is not read in its own order: from one repository to the next along `work_items_claim_by_repo`, and the first
-- item of each. That costs a few index look-ups for each repository that has queued items, whatever their number (a
-- test looks at the plan; the order by more than the name is for the planner: only that index has it).
with recursive repositories as (
    (
        select lower(repo) as name
        from work_items
        where status = 'queued' and next_retry_at is null
        order by lower(repo), priority, queued_at, id
        limit 1
    )
    union all
    select (
        select lower(item.repo)
        from work_items item
        where item.status = 'queued' and item.next_retry_at is null and lower(item.repo) > repositories.name
        order by lower(item.repo), item.priority, item.queued_at, item.id
        limit 1
    )
    from repositories
    where repositories.name is not null
)
select first.id as "id!"
from repositories
cross join lateral (
    select item.id, item.priority, item.queued_at
    from work_items item
    where item.status = 'queued' and item.next_retry_at is null and lower(item.repo) = repositories.name
    order by item.priority, item.queued_at, item.id
    limit 1
    for update skip locked
) first
where repositories.name <> all($1)
order by first.priority, first.queued_at, first.id
limit 1
