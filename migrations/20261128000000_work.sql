-- Work items: one row for each issue or submission, from its submission to its end.
--
-- `work_items` is narrow because it is rewritten often: wide texts are in `work_item_texts`. GitHub ignores case in
-- repository names, hence `lower(repo)` in keys and indexes.

-- Values are ordered as an item passes through them.
create type work_item_status as enum (
    'generating', 'queued', 'assigned', 'in_progress', 'completed', 'failed', 'cancelled'
);
-- Values are ordered as items are claimed.
create type priority as enum ('critical', 'high', 'medium', 'low');
create type failure_cause as enum (
    'crash', 'lost', 'killed', 'resources', 'stuck', 'tests_failed', 'iterations_used_up', 'branch_moved',
    'push_refused', 'pull_request_refused', 'workspace_unusable', 'repository_damaged', 'clone_timed_out', 'tool_missing',
    'spec_unusable', 'runtime_unavailable', 'image_unavailable', 'registry_unavailable', 'github_unavailable',
    'model_unavailable',
    'model_limited', 'model_refused', 'github_refused', 'disk_full'
);

create table work_items (
    id              uuid primary key,
    repo            text not null,
    branch          text not null,
    status          work_item_status not null,
    priority        priority not null,
    source          text not null,
    source_ref      text,
    -- Requester of the current run; counts against DAILY_BUDGET_PER_USER. Null counts against no user.
    requested_by    text,
    -- 1 for the submission, plus 1 for each requeue by a person.
    run             integer not null default 1 check (run >= 1),
    -- Fencing token: raised by each claim. Calls of workers with a lower epoch are refused.
    lease_epoch     bigint not null default 0 check (lease_epoch >= 0),
    -- Current worker, or the latest one.
    worker_id       uuid,
    -- Spent in this run, all causes together. Each cause has its own limit: see work_item_retries.
    retries         integer not null default 0 check (retries >= 0),
    -- Consecutive workers that ended before they registered. They spend no retry below a limit.
    failed_starts   integer not null default 0 check (failed_starts >= 0),
    -- Retries of the spec generation in this run.
    spec_retries    integer not null default 0 check (spec_retries >= 0),
    -- End of the backoff; null when the item is not in backoff.
    next_retry_at   timestamptz,
    failure_cause   failure_cause,
    pr_url          text,
    pr_number       bigint check (pr_number > 0),
    tasks_total     integer not null default 0 check (tasks_total >= 0),
    tasks_done      integer not null default 0 check (tasks_done >= 0),
    -- Notes of the current run (work_item_notes). Here, because each heartbeat reads it.
    note_count      integer not null default 0 check (note_count >= 0),
    -- The submitter's limit for one attempt. MAX_ITERATIONS applies as well.
    max_iterations  integer check (max_iterations > 0),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    -- Position within the priority. Retries keep it.
    queued_at       timestamptz not null default now(),
    started_at      timestamptz,
    ended_at        timestamptz,

    constraint work_items_completed_has_pull_request check (status <> 'completed' or pr_url is not null),
    constraint work_items_terminal_has_end check (
        (status in ('completed', 'failed', 'cancelled')) = (ended_at is not null)
    ),
    constraint work_items_backoff_only_before_claim check (
        next_retry_at is null or status in ('queued', 'generating')
    )
);

-- Idempotent submission: one item per (repository, source, reference), for ever. Another run is a requeue.
create unique index work_items_source_key on work_items (lower(repo), source, source_ref)
    where source_ref is not null;
-- Two workers on one branch would overwrite each other's commits.
create unique index work_items_live_branch_key on work_items (lower(repo), branch)
    where status in ('generating', 'queued', 'assigned', 'in_progress');
-- Matches order and condition of the claim, so that the next item is the first entry at any queue length.
create index work_items_claim on work_items (priority, queued_at, id)
    where status = 'queued' and next_retry_at is null;
-- First item of each requester in each repository, for claims that exclude some of them.
create index work_items_claim_by_repo_and_user
    on work_items (lower(repo), coalesce(lower(requested_by), ''), priority, queued_at, id)
    where status = 'queued' and next_retry_at is null;
create index work_items_in_backoff on work_items (next_retry_at)
    where next_retry_at is not null;
-- Keyset pages, newest first (UUIDv7 identifiers sort by time).
create index work_items_status on work_items (status, id);
create index work_items_repo on work_items (lower(repo), id);
create index work_items_source on work_items (source, id);
-- Statistics of a day.
create index work_items_created on work_items (created_at);
create index work_items_ended on work_items (ended_at) include (status, started_at) where ended_at is not null;

create table work_item_texts (
    work_item_id    uuid primary key references work_items on delete cascade,
    -- Checklist with its ticks, and the pushed head that the ticks belong to. Always written together.
    spec            text,
    head_sha        text,
    description     text,
    metadata        jsonb not null default '{}',
    -- Reason of the latest failed attempt, or of the cancellation.
    error           text
);

-- Retries that the current run of an item spent, by failure cause: the retry limit applies to each cause separately.
create table work_item_retries (
    work_item_id    uuid not null references work_items on delete cascade,
    failure_cause   failure_cause not null,
    spent           integer not null check (spent > 0),
    primary key (work_item_id, failure_cause)
);

-- NOTIFY whim_work: an item became claimable. Notifications carry no payload, so Postgres merges those of one
-- transaction, and a lost one costs no more than the dispatch interval. Statement triggers notify once for a bulk change.
--
-- Postgres commits notifying transactions one at a time, each with its own disk flush. A transaction that sets
-- `whim.suppress_notify` to 'on' notifies after its commit instead, in a transaction of its own.

create function notify_work_claimable() returns trigger language plpgsql as $$
begin
    if current_setting('whim.suppress_notify', true) is distinct from 'on'
        and exists (select from new_rows where status = 'queued' and next_retry_at is null)
    then
        perform pg_notify('whim_work', '');
    end if;
    return null;
end
$$;

create trigger work_items_notify_insert after insert on work_items
    referencing new table as new_rows
    for each statement execute function notify_work_claimable();

-- Updates that leave a queued item queued notify too: comparing with the old rows would cost a join.
create trigger work_items_notify_update after update on work_items
    referencing new table as new_rows
    for each statement execute function notify_work_claimable();

-- Number of items per status and priority, as a sum of deltas: a queue of a million items is never counted.
--
-- Each statement inserts its deltas as new rows. A single row per count would serialise all submissions and claims on
-- its lock. The sum is exact in every snapshot; a reconciler compacts the rows.

create table work_item_counts (
    status          work_item_status not null,
    priority        priority not null,
    delta           bigint not null check (delta <> 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

create function count_work_items() returns trigger language plpgsql as $$
begin
    case tg_op
        when 'INSERT' then
            insert into work_item_counts (status, priority, delta)
            select status, priority, count(*) from new_rows group by status, priority;
        when 'UPDATE' then
            insert into work_item_counts (status, priority, delta)
            select status, priority, sum(delta)
            from (
                select status, priority, 1 as delta from new_rows
                union all
                select status, priority, -1 from old_rows
            ) changed
            group by status, priority
            having sum(delta) <> 0;
        when 'DELETE' then
            insert into work_item_counts (status, priority, delta)
            select status, priority, -count(*) from old_rows group by status, priority;
        when 'TRUNCATE' then
            delete from work_item_counts;
    end case;
    return null;
end
$$;

create trigger work_items_count_insert after insert on work_items
    referencing new table as new_rows
    for each statement execute function count_work_items();
create trigger work_items_count_update after update on work_items
    referencing old table as old_rows new table as new_rows
    for each statement execute function count_work_items();
create trigger work_items_count_delete after delete on work_items
    referencing old table as old_rows
    for each statement execute function count_work_items();
create trigger work_items_count_truncate after truncate on work_items
    for each statement execute function count_work_items();
