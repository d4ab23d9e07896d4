-- The first item in queue order that is of none of the repositories $1, requested by none of the users $2 (both in lower
-- case), and none of the few items $3.
--
-- The queue may be full of excluded items, so it is not read in its own order. The query steps from one pair of
-- repository and user to the next along `work_items_claim_by_repo_and_user` and takes the first item of each. That costs
-- a few index reads for each pair with queued items, whatever their number (a test checks the plan). The order by more
-- than the names is for the planner: only that index has it. Items without a requester count as of the user ''.
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
      and item.id <> all($3)
    order by item.priority, item.queued_at, item.id
    limit 1
    for update skip locked
) first
where groups.repo <> all($1) and groups.requested_by <> all($2)
order by first.priority, first.queued_at, first.id
limit 1
