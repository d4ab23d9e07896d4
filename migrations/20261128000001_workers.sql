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
);

-- Partial indexes: worker slots, leases and pending stops cost the same at any length of the history.
create index workers_live on workers (id) where status in ('starting', 'running');
create index workers_not_stopped on workers (instance, id) where ended_at is not null and stopped_at is null;
create index workers_ended on workers (ended_at) where ended_at is not null;
-- Keyset pages, newest first (UUIDv7 identifiers sort by time).
create index workers_status on workers (status, id);

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
create index worker_iterations_day on worker_iterations (day);

-- Used and reserved iterations of the current UTC day. A plain SQL function that returns a table is inlined into the
-- calling statement and planned with it.
create function budget_today()
returns table (day date, used bigint, reserved bigint, resets_at timestamptz)
language sql stable rows 1 as $$
    select
        (now() at time zone 'utc')::date,
        (select count(*) from worker_iterations i where i.day = (now() at time zone 'utc')::date),
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
