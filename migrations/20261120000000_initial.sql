-- The first schema: work items, their workers, what the workers tell, and what was learned.
--
-- Hot rows are narrow and apart from wide texts (`work_item_texts`) and from what changes with every heartbeat
-- (`worker_beats`), so that the claim and the heartbeats rewrite little.

create extension if not exists vector;

-- The order of the values is the order of an item's life; of `priority`, the order in which items are taken.
create type work_item_status as enum (
    'generating', 'queued', 'assigned', 'in_progress', 'completed', 'failed', 'cancelled'
);
create type worker_status as enum ('starting', 'running', 'completed', 'failed', 'stuck', 'killed');
create type worker_stage as enum ('preparing', 'working', 'testing', 'reviewing', 'delivering');
create type priority as enum ('critical', 'high', 'medium', 'low');
create type failure_cause as enum (
    'crash', 'lost', 'out_of_memory', 'stuck', 'tests_failed', 'iterations_used_up', 'push_refused',
    'pull_request_refused', 'workspace_unusable', 'spec_unusable', 'runtime_unavailable', 'github_unavailable',
    'model_unavailable'
);

create table work_items (
    id              uuid primary key,
    repo            text not null,
    branch          text not null,
    status          work_item_status not null,
    priority        priority not null,
    source          text not null,
    source_ref      text,
    -- How many runs a person asked for.
    run             integer not null default 1 check (run >= 1),
    -- How often it was claimed. Calls of workers of earlier epochs change nothing.
    lease_epoch     bigint not null default 0 check (lease_epoch >= 0),
    -- The worker that has it, or had it last.
    worker_id       uuid,
    retries         integer not null default 0 check (retries >= 0),
    -- Workers in a row that ended before they registered; they spend no retry until there are too many.
    failed_starts   integer not null default 0 check (failed_starts >= 0),
    -- How often the writing of its spec was put off.
    spec_delays     integer not null default 0 check (spec_delays >= 0),
    -- Set while it waits for its next attempt; cleared when that is due.
    next_retry_at   timestamptz,
    failure_cause   failure_cause,
    pr_url          text,
    pr_number       bigint check (pr_number > 0),
    tasks_total     integer not null default 0 check (tasks_total >= 0),
    tasks_done      integer not null default 0 check (tasks_done >= 0),
    -- The caller's limit for one attempt; the configured cap holds all the same.
    max_iterations  integer check (max_iterations > 0),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    -- Its place within its priority: kept over retries, so that a retried item does not wait behind newer ones.
    queued_at       timestamptz not null default now(),
    started_at      timestamptz,
    ended_at        timestamptz,

    constraint work_items_completed_has_pull_request check (status <> 'completed' or pr_url is not null),
    constraint work_items_terminal_has_end check (
        (status in ('completed', 'failed', 'cancelled')) = (ended_at is not null)
    ),
    constraint work_items_only_waiting_items_wait check (
        next_retry_at is null or status in ('queued', 'generating')
    )
);

-- GitHub's names of repositories ignore case, hence `lower(repo)`.

-- Submitting is idempotent: one item for what is called so at its source, ever. Another run of it is a requeue.
create unique index work_items_source_key on work_items (lower(repo), source, source_ref)
    where source_ref is not null;
-- Two workers on one branch would overwrite each other.
create unique index work_items_live_branch_key on work_items (lower(repo), branch)
    where status in ('generating', 'queued', 'assigned', 'in_progress');
-- Matches the claim's order and condition exactly: the next item is the first entry, however many are waiting.
create index work_items_claim on work_items (priority, queued_at, id)
    where status = 'queued' and next_retry_at is null;
create index work_items_waiting on work_items (next_retry_at)
    where next_retry_at is not null;
-- Pages of a status or a repository, the newest first (identifiers sort by time).
create index work_items_status on work_items (status, id);
create index work_items_repo on work_items (lower(repo), id);

create table work_item_texts (
    work_item_id    uuid primary key references work_items on delete cascade,
    -- The checklist with its ticks, and the pushed head that belongs to them: always written together.
    spec            text,
    head_sha        text,
    description     text,
    metadata        jsonb not null default '{}',
    -- Why the latest attempt failed, or who cancelled it and why.
    error           text
);

create table workers (
    id              uuid primary key,
    work_item_id    uuid not null references work_items on delete cascade,
    lease_epoch     bigint not null check (lease_epoch > 0),
    status          worker_status not null default 'starting',
    -- SHA-256 of the token; the token itself is nowhere in the database.
    token_hash      bytea not null check (octet_length(token_hash) = 32),
    -- Of the one process that registered.
    nonce           text,
    max_iterations  integer not null check (max_iterations > 0),
    runtime         text not null,
    -- The orchestrator instance that owns its runtime; with some runtimes only that one can act on it.
    instance        text not null,
    -- What the runtime finds it by: a container, or a process identifier and its start time.
    handle          text,
    failure_cause   failure_cause,
    error           text,
    -- What the project's own tests said at its end.
    tests           jsonb,
    -- What was answered to the report that ended it, so that the same report gets the same answer again.
    final_answer    jsonb,
    -- It has to be stopped from outside: killed, cancelled, or lost.
    stop_requested  boolean not null default false,
    started_at      timestamptz not null default now(),
    registered_at   timestamptz,
    ended_at        timestamptz,
    -- When the runtime was seen to have nothing of it left.
    stopped_at      timestamptz,

    constraint workers_epoch_key unique (work_item_id, lease_epoch),
    constraint workers_token_key unique (token_hash),
    constraint workers_terminal_has_end check (
        (status in ('completed', 'failed', 'stuck', 'killed')) = (ended_at is not null)
    )
);

-- Few rows, however long the history: slots are counted and leases checked here.
create index workers_live on workers (id) where status in ('starting', 'running');
create index workers_not_stopped on workers (instance, id) where ended_at is not null and stopped_at is null;

-- Rewritten with every heartbeat: no index but the key and half-empty pages, so that every update stays in its page.
create table worker_beats (
    worker_id           uuid primary key references workers on delete cascade,
    -- The latest heartbeat that carried something new; -1 before the first.
    seq                 bigint not null default -1,
    iteration           integer not null default 0 check (iteration >= 0),
    stage               worker_stage,
    stats               jsonb not null default '{}',
    last_heartbeat_at   timestamptz,
    -- Is it alive? Renewed by every heartbeat.
    lease_expires_at    timestamptz not null,
    -- Is it moving? Renewed by events only.
    progress_at         timestamptz not null default now()
) with (fillfactor = 50);

-- The truth of the day's budget: one row for each iteration of each worker, however often it is told.
create table worker_iterations (
    worker_id       uuid not null references workers on delete cascade,
    n               integer not null check (n > 0),
    -- The UTC day.
    day             date not null default (now() at time zone 'utc')::date,
    recorded_at     timestamptz not null default now(),
    primary key (worker_id, n)
);
create index worker_iterations_day on worker_iterations (day);

create table worker_events (
    worker_id       uuid not null references workers on delete cascade,
    -- The heartbeat that brought it, and its place in there.
    seq             bigint not null,
    ordinal         integer not null,
    at              timestamptz not null,
    body            jsonb not null,
    primary key (worker_id, seq, ordinal)
);

create table learnings (
    id              uuid primary key,
    repo            text not null,
    kind            text not null check (kind in ('pattern', 'gotcha', 'approach')),
    text            text not null,
    embedding       vector(384),
    work_item_id    uuid references work_items on delete set null,
    created_at      timestamptz not null default now()
);
create index learnings_repo on learnings (lower(repo), id);

-- Notifications say "look", never what to do: they carry nothing, so those of one transaction are one, and a lost one
-- costs no more than the wait for the next periodic look. Statement triggers, so that a bulk change notifies once.

create function notify_work_claimable() returns trigger language plpgsql as $$
begin
    if exists (select from new_rows where status = 'queued' and next_retry_at is null) then
        perform pg_notify('whim_work', '');
    end if;
    return null;
end
$$;

create trigger work_items_inserted after insert on work_items
    referencing new table as new_rows
    for each statement execute function notify_work_claimable();

-- An update of a queued item that stays queued (its checklist was counted again, say) makes nothing claimable, but
-- telling that apart would need a join with the old rows: a look too many is cheaper.
create trigger work_items_updated after update on work_items
    referencing new table as new_rows
    for each statement execute function notify_work_claimable();

-- A worker that has ended may have to be stopped by its runtime, and leaves a slot to the dispatcher.
create function notify_worker_ended() returns trigger language plpgsql as $$
begin
    if exists (select from new_rows where ended_at is not null and stopped_at is null) then
        perform pg_notify('whim_workers', '');
    end if;
    return null;
end
$$;

create trigger workers_updated after update on workers
    referencing new table as new_rows
    for each statement execute function notify_worker_ended();
