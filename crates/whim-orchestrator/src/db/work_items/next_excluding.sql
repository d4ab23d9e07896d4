-- The first item that is of none of the repositories in $1 and asked for by none of the users in $2 (all in lower case).
-- The queue may be full of items of those, so it is not read in its own order: from one user of one repository to the
-- next along `work_items_claim_by_repo_and_user`, and the first item of each. That costs a few index look-ups for each
-- such pair that has queued items, whatever their number (a test looks at the plan; the order by more than the names is
-- for the planner: only that index has it). Items that nobody asked for are as if of the user ''.
with recursive groups as (
    (
        select lower(repo) as repo, coalesce(lower(requested_by), '') as requested_by
        from work_items
        where status = 'queued' and next_retry_at is null
        order by lower(repo), coalesce(lower(requested_by), ''), priority, queued_at, id
        limit 1
    )
    union all
    select following.repo, following.requested_by
    from groups
    cross join lateral (
        select lower(item.repo) as repo, coalesce(lower(item.requested_by), '') as requested_by
        from work_items item
        where item.status = 'queued' and item.next_retry_at is null
          and (lower(item.repo), coalesce(lower(item.requested_by), '')) > (groups.repo, groups.requested_by)
        order by lower(item.repo), coalesce(lower(item.requested_by), ''), item.priority, item.queued_at, item.id
        limit 1
    ) following
)
select first.id as "id!: WorkItemId", first.repo as "repo!: RepoName", first.requested_by as "requested_by?: UserName"
from groups
cross join lateral (
    select item.id, item.repo, item.requested_by, item.priority, item.queued_at
    from work_items item
    where item.status = 'queued' and item.next_retry_at is null
      and lower(item.repo) = groups.repo and coalesce(lower(item.requested_by), '') = groups.requested_by
    order by item.priority, item.queued_at, item.id
    limit 1
    for update skip locked
) first
where groups.repo <> all($1) and groups.requested_by <> all($2)
order by first.priority, first.queued_at, first.id
limit 1
