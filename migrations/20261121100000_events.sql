-- The history of what happened: what workers told, and every change of an item or a worker that a viewer wants to see.
-- It is what live viewers are shown and what they are replayed from, so that both are the same, in the same order.

create type event_kind as enum ('item', 'worker', 'worker_event');

create sequence event_ids as bigint minvalue 0 start 0 cache 1;
-- So that the last value always is one that was given out.
select nextval('event_ids');

-- By day, so that old days go as a whole. Partitions are made ahead of their day by a reconciler; what is without one
-- lands in the default partition and is moved from there, so that no insert ever fails for want of a partition.
--
-- No key: identifiers come from the sequence alone, and that a heartbeat's events are kept once follows from
-- `worker_beats.seq`, which rises in the same statement. No foreign keys: the history outlives what it is about.
create table events (
    id              bigint not null default nextval('event_ids'),
    recorded_at     timestamptz not null default now(),
    kind            event_kind not null,
    work_item_id    uuid not null,
    -- Whose it is, where it is a worker's.
    worker_id       uuid,
    -- The heartbeat that brought it and its place in there, where a worker told it.
    seq             bigint,
    ordinal         integer,
    -- When it happened; a worker's event by the worker's clock.
    at              timestamptz not null default now(),
    body            jsonb not null
) partition by range (recorded_at);
create index events_id on events (id);
create index events_worker on events (worker_id, id) where worker_id is not null;
create table events_default partition of events default;

insert into events (kind, work_item_id, worker_id, seq, ordinal, at, body)
select 'worker_event', w.work_item_id, w.id, e.seq, e.ordinal, e.at, e.body
from worker_events e join workers w on w.id = e.worker_id
order by e.at, e.worker_id, e.seq, e.ordinal;

drop table worker_events;

-- Identifiers are given out in one order and become visible in another: who has seen event 11 may still be without 10,
-- whose transaction takes longer. So nothing is shown beyond the horizon, below which nothing can come any more.
--
-- Whoever inserts events first takes a shared lock whose name is the last identifier that was given out before; its own
-- come after that. The horizon is the last identifier of all, read first, or the lowest name of a lock that is held
-- after that. A transaction whose identifiers are not above it has taken its lock before; either it still has it, or it
-- has ended, and Postgres makes a transaction visible before it releases its locks. So who reads the horizon and then,
-- in another statement, the events up to it, sees all that there will ever be. Transactions that insert no events hold
-- nothing back, however long they are (`pg_snapshot_xmin` would wait for those too).
--
-- A lock's name has 31 bits for the identifier, which is enough to tell the distance to the last one; one that was
-- taken after that was read seems very far away, and holds nothing back.

create function announce_events() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(1702257011, (last_value & 2147483647)::integer) from event_ids;
    return null;
end
$$;

-- Before the statement: before the first identifier is drawn for it.
create trigger events_announced before insert on events
    for each statement execute function announce_events();

create function event_horizon() returns bigint language plpgsql as $$
declare
    latest bigint;
    pending bigint;
begin
    select last_value into latest from event_ids;
    select max(distance) into pending
    from (
        select (latest - objid::bigint) & 2147483647 as distance
        from pg_locks
        where locktype = 'advisory' and classid = 1702257011 and objsubid = 2
          and database = (select oid from pg_database where datname = current_database())
    ) as announced
    where distance < 1073741824;
    return latest - coalesce(pending, 0);
end
$$;

-- A partition is made, filled with what landed in the default partition, and attached while everybody waits: a writer
-- that had chosen the default partition before would be refused there afterwards, and a reader that had listed the
-- partitions before would miss what was moved. Who makes or drops days takes turns, and gives up after three seconds:
-- longer than Postgres takes to call off a vacuum of its own, and as long as a heartbeat may have to wait for it.

create function take_turn_with_event_days() returns void language plpgsql as $$
begin
    perform set_config('lock_timeout', '3s', true);
    perform pg_advisory_xact_lock(1702257012, 0);
end
$$;

-- False when there is one.
create function make_event_day(day date) returns boolean language plpgsql as $$
declare
    name text := to_char(day, '"events_"YYYYMMDD');
    begins timestamptz := day::timestamp at time zone 'utc';
    ends timestamptz := (day + 1)::timestamp at time zone 'utc';
begin
    perform take_turn_with_event_days();
    if to_regclass(name) is not null then
        return false;
    end if;
    lock table events in access exclusive mode;
    execute format('create table %I (like events including defaults including constraints)', name);
    execute format(
        'with moved as (delete from events_default where recorded_at >= %L and recorded_at < %L returning *)
         insert into %I select * from moved order by id', begins, ends, name);
    execute format('alter table events attach partition %I for values from (%L) to (%L)', name, begins, ends);
    return true;
end
$$;

-- False when there is none.
create function drop_event_day(day date) returns boolean language plpgsql as $$
declare
    name text := to_char(day, '"events_"YYYYMMDD');
begin
    perform take_turn_with_event_days();
    if to_regclass(name) is null then
        return false;
    end if;
    execute format('drop table %I', name);
    return true;
end
$$;

-- Changes of items and workers are recorded by triggers, so that none is forgotten, whoever makes it.

create function record_item_events() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into events (kind, work_item_id, body)
        select 'item', n.id, item_event(n) from new_rows n;
    else
        insert into events (kind, work_item_id, body)
        select 'item', n.id, item_event(n)
        from new_rows n join old_rows o on o.id = n.id
        where (n.status, n.priority, n.run, n.lease_epoch, n.next_retry_at, n.tasks_total, n.tasks_done, n.pr_url)
            is distinct from
              (o.status, o.priority, o.run, o.lease_epoch, o.next_retry_at, o.tasks_total, o.tasks_done, o.pr_url);
    end if;
    return null;
end
$$;

create function item_event(item work_items) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'repo', item.repo, 'branch', item.branch, 'status', item.status, 'priority', item.priority, 'run', item.run,
        'retries', item.retries, 'nextRetryAt', item.next_retry_at, 'failureCause', item.failure_cause,
        'tasksTotal', item.tasks_total, 'tasksDone', item.tasks_done, 'prUrl', item.pr_url, 'workerId', item.worker_id
    )
$$;

create trigger work_items_recorded_insert after insert on work_items
    referencing new table as new_rows
    for each statement execute function record_item_events();
create trigger work_items_recorded_update after update on work_items
    referencing old table as old_rows new table as new_rows
    for each statement execute function record_item_events();

create function record_worker_events() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into events (kind, work_item_id, worker_id, body)
        select 'worker', n.work_item_id, n.id, worker_event(n) from new_rows n;
    else
        insert into events (kind, work_item_id, worker_id, body)
        select 'worker', n.work_item_id, n.id, worker_event(n)
        from new_rows n join old_rows o on o.id = n.id
        where n.status is distinct from o.status;
    end if;
    return null;
end
$$;

create function worker_event(worker workers) returns jsonb language sql stable as $$
    select jsonb_build_object(
        'status', worker.status, 'leaseEpoch', worker.lease_epoch, 'failureCause', worker.failure_cause
    )
$$;

create trigger workers_recorded_insert after insert on workers
    referencing new table as new_rows
    for each statement execute function record_worker_events();
create trigger workers_recorded_update after update on workers
    referencing old table as old_rows new table as new_rows
    for each statement execute function record_worker_events();
