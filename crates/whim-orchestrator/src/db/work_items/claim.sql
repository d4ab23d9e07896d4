-- Claims an item for a new worker, and inserts the worker and its lease, in one statement.
--
-- The order of the queue is also in next_excluding.sql, view.rs (pages and `ahead`), release_deferred_items.sql and the
-- indexes work_items_claim and work_items_claim_by_repo_and_user.
--
-- $1 is the worker, $2 the item if it is known, else the next one. $3 is the hash of the token, $4 the limit of
-- iterations, $5 the runtime, $6 the instance, $7 the seconds until the worker has to register, $8 and $9 the hashes of
-- the gateway's tokens of the agent and of the worker.
--
-- Condition and order of the innermost query are those of the partial index `work_items_claim`: the next item is its
-- first entry that is not locked, at any queue length (a test checks the plan).
with item as (
    update work_items
    set status = 'assigned',
        lease_epoch = lease_epoch + 1,
        worker_id = $1,
        started_at = now(),
        updated_at = now()
    where id = coalesce($2, (
        select id
        from work_items
        where status = 'queued' and next_retry_at is null
        order by priority, queued_at, id
        limit 1
        for update skip locked
    ))
    returning id, repo, branch, requested_by, lease_epoch, max_iterations,
        case when lease_epoch = 1 then extract(epoch from clock_timestamp() - queued_at)::float8 end as waited_seconds
),
worker as (
    insert into workers
        (id, work_item_id, lease_epoch, token_hash, max_iterations, runtime, instance, requested_by, waited_seconds)
    -- `least` ignores a null limit of the item.
    select $1, id, lease_epoch, $3, least(max_iterations, $4), $5, $6, requested_by, waited_seconds
    from item
    returning id
),
lease as (
    insert into worker_heartbeats (worker_id, lease_expires_at)
    select id, now() + make_interval(secs => $7)
    from worker
),
gateway_token as (
    insert into gateway_tokens (token_hash, worker_id, scope)
    select hash, id, scope
    from worker, (values ($8::bytea, 'agent'::token_scope), ($9::bytea, 'delivery')) as token (hash, scope)
)
select id as "id!: WorkItemId", repo as "repo!: RepoName", branch as "branch!: BranchName",
    lease_epoch as "lease_epoch!: LeaseEpoch", waited_seconds
from item
