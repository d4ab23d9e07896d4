-- Workers: one row for each claim of a work item, with lease, heartbeats, used iterations and file locks.

-- Values are ordered as a worker passes through them.
create type worker_status as enum ('starting', 'running', 'completed', 'failed', 'stuck', 'killed');
create type worker_stage as enum ('preparing', 'working', 'testing', 'reviewing', 'delivering');

create table workers (
    id              uuid primary key,
    work_item_id    uuid not null references work_items on delete cascade,
    lease_epoch     bigint not null check (lease_epoch > 0),
    status          worker_status not null default 'starting',
    -- Requester of the run at the time of the claim: a later requeue by someone else does not move used budget.
    requested_by    text,
    -- SHA-256 of the worker's token. The token itself is not stored.
    token_hash      bytea not null check (octet_length(token_hash) = 32),
    -- Sent by the process that registered; a second process with another nonce is refused.
    nonce           text,
    max_iterations  integer not null check (max_iterations > 0),
    runtime         text not null,
    -- Orchestrator instance that started it. With the process runtime only that instance can stop it.
    instance        text not null,
    -- Runtime's own identifier: a container id, or a process id with its start time.
    handle          text,
    failure_cause   failure_cause,
    error           text,
    -- Result of the project's tests.
    tests           jsonb,
    -- Response to the final report, so that the same report gets the same response again.
    final_response  jsonb,
    -- Set when the runtime has to stop it: killed, cancelled or lost.
    stop_requested  boolean not null default false,
    -- Seconds in the queue before this attempt; null for all but the first attempt of an item.
    waited_seconds  float8,
    started_at      timestamptz not null default now(),
    registered_at   timestamptz,
    ended_at        timestamptz,
    -- When the runtime confirmed that nothing of it is left.
    stopped_at      timestamptz,

    constraint workers_epoch_key unique (work_item_id, lease_epoch),
    constraint workers_token_key unique (token_hash),
    constraint workers_terminal_has_end check (
        (status in ('completed', 'failed', 'stuck', 'killed')) = (ended_at is not null)
    )
-- With statistics from when most workers were live, the planner would read the whole history instead of the index of live
-- workers.
) with (autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 1000);

-- Partial indexes: worker slots, leases and pending stops cost the same at any length of the history.
create index workers_live on workers (id) where status in ('starting', 'running');
create index workers_not_stopped on workers (instance, id) where ended_at is not null and stopped_at is null;
create index workers_ended on workers (ended_at) where ended_at is not null;
-- Keyset pages, newest first (UUIDv7 identifiers sort by time).
create index workers_status on workers (status, id);

-- What a token of an attempt is for at the gateway.
create type token_scope as enum ('agent', 'delivery');

-- The tokens of attempts for the gateway, by their SHA-256. They are worth something only while the worker lives.
create table gateway_tokens (
    token_hash      bytea primary key check (octet_length(token_hash) = 32),
    worker_id       uuid not null references workers on delete cascade,
    scope           token_scope not null,
    constraint gateway_tokens_scope_key unique (worker_id, scope)
);

-- Rewritten by each heartbeat. No index but the key and pages that are four fifths empty, so that updates are
-- heap-only (HOT) even while an older snapshot keeps previous versions.
create table worker_heartbeats (
    worker_id           uuid primary key references workers on delete cascade,
    -- Latest sequence number that carried something new; -1 before the first.
    seq                 bigint not null default -1,
    iteration           integer not null default 0 check (iteration >= 0),
    stage               worker_stage,
    stats               jsonb not null default '{}',
    last_heartbeat_at   timestamptz,
    -- Liveness: renewed by each heartbeat.
    lease_expires_at    timestamptz not null,
    -- Progress: renewed by events only.
    progress_at         timestamptz not null default now()
) with (fillfactor = 20);

-- Source of truth for the daily budget: one row per started iteration, however often it is reported.
create table worker_iterations (
    worker_id       uuid not null references workers on delete cascade,
    iteration       integer not null check (iteration > 0),
    -- UTC.
    day             date not null default (now() at time zone 'utc')::date,
    recorded_at     timestamptz not null default now(),
    primary key (worker_id, iteration)
);

-- Usage per UTC day, repository and requester, as a sum of deltas like work_item_counts. Iterations count for the day on
-- which they began; tokens and cost for the day on which the worker ended. A reconciler compacts the rows.
create table daily_usage (
    day                 date not null,
    -- In lower case.
    repo                text not null,
    requested_by        text,
    iterations          bigint not null default 0,
    -- Floating point: a harness may report any count, and a sum of integers could overflow.
    input_tokens        float8 not null default 0,
    output_tokens       float8 not null default 0,
    cache_read_tokens   float8 not null default 0,
    cache_write_tokens  float8 not null default 0,
    cost_usd            float8 not null default 0
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
create index daily_usage_day on daily_usage (day);

create function count_iterations() returns trigger language plpgsql as $$
begin
    if exists (select from new_rows) then
        insert into daily_usage (day, repo, requested_by, iterations)
        select n.day, lower(i.repo), lower(w.requested_by), count(*)
        from new_rows n
        join workers w on w.id = n.worker_id
        join work_items i on i.id = w.work_item_id
        group by 1, 2, 3;
    end if;
    return null;
end
$$;

create trigger worker_iterations_count after insert on worker_iterations
    referencing new table as new_rows
    for each statement execute function count_iterations();

create function clear_daily_usage() returns trigger language plpgsql as $$
begin
    delete from daily_usage;
    return null;
end
$$;

create trigger worker_iterations_clear_usage after truncate on worker_iterations
    for each statement execute function clear_daily_usage();

-- The final report is in `worker_heartbeats` when a worker's row ends.
create function add_usage_of_ended_workers() returns trigger language plpgsql as $$
begin
    insert into daily_usage (day, repo, requested_by, input_tokens, output_tokens, cache_read_tokens,
                             cache_write_tokens, cost_usd)
    select (n.ended_at at time zone 'utc')::date, lower(i.repo), lower(n.requested_by),
           coalesce((b.stats -> 'tokens' ->> 'input')::float8, 0),
           coalesce((b.stats -> 'tokens' ->> 'output')::float8, 0),
           coalesce((b.stats -> 'tokens' ->> 'cacheRead')::float8, 0),
           coalesce((b.stats -> 'tokens' ->> 'cacheWrite')::float8, 0),
           coalesce((b.stats ->> 'costUsd')::float8, 0)
    from new_rows n
    join old_rows o on o.id = n.id
    join worker_heartbeats b on b.worker_id = n.id
    join work_items i on i.id = n.work_item_id
    where n.ended_at is not null and o.ended_at is null and b.stats <> '{}';
    return null;
end
$$;

create trigger workers_add_usage after update on workers
    referencing old table as old_rows new table as new_rows
    for each statement execute function add_usage_of_ended_workers();

-- Used and reserved iterations of the current UTC day. A plain SQL function that returns a table is inlined into the
-- calling statement and planned with it.
create function budget_today()
returns table (day date, used bigint, reserved bigint, resets_at timestamptz)
language sql stable rows 1 as $$
    select
        (now() at time zone 'utc')::date,
        (select coalesce(sum(u.iterations), 0)::bigint from daily_usage u
         where u.day = (now() at time zone 'utc')::date),
        -- What live workers may still use, whatever day they started on.
        (select coalesce(sum(greatest(w.max_iterations - u.count, 0)), 0)::bigint
         from workers w
         cross join lateral (select count(*) from worker_iterations i where i.worker_id = w.id) u
         where w.status in ('starting', 'running')),
        (date_trunc('day', now() at time zone 'utc') + interval '1 day') at time zone 'utc'
$$;

-- Copy of the file locks in Redis, from which they are rebuilt after Redis lost them. Rows of ended workers are
-- ignored and deleted by a reconciler.
create table worker_locks (
    worker_id       uuid not null references workers on delete cascade,
    file            text not null,
    locked_at       timestamptz not null default now(),
    primary key (worker_id, file)
);

-- A file that an item changed without its lock (by a shell command) while another item held the lock.
create table lock_conflicts (
    work_item_id        uuid not null references work_items on delete cascade,
    holder_item_id      uuid not null references work_items on delete cascade,
    file                text not null,
    detected_at         timestamptz not null default now(),
    primary key (work_item_id, holder_item_id, file)
);
create index lock_conflicts_holder on lock_conflicts (holder_item_id);

-- NOTIFY whim_workers: a worker ended. The runtime may have to stop it, and its slot is free.
create function notify_worker_ended() returns trigger language plpgsql as $$
begin
    if exists (select from new_rows where ended_at is not null and stopped_at is null) then
        perform pg_notify('whim_workers', '');
    end if;
    return null;
end
$$;

create trigger workers_notify_update after update on workers
    referencing new table as new_rows
    for each statement execute function notify_worker_ended();

-- The latest preflight of each repository, as its workers report them.
create table preflights (
    repo            text not null,
    worker_id       uuid not null references workers on delete cascade,
    work_item_id    uuid not null references work_items on delete cascade,
    -- The branch that was to be pushed.
    branch          text not null,
    -- Null if it was not found.
    base            text,
    checks          jsonb not null,
    checked_at      timestamptz not null default now()
);

-- GitHub ignores the case of names.
create unique index preflights_repo on preflights (lower(repo));
