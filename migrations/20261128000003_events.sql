-- Event log: events that workers sent, and changes of items and workers. Live subscribers and clients that resume read
-- the same log, in the same order.

create type event_kind as enum ('item', 'worker', 'worker_event', 'transcript', 'diff', 'note_added', 'note_delivered');

create sequence event_ids as bigint minvalue 0 start 0 cache 1;
-- `last_value` of an unused sequence is not an assigned value; after this it always is.
select nextval('event_ids');

-- Partitioned by UTC day, so that a day is dropped at once. A reconciler creates partitions ahead of time; rows without
-- one land in the default partition and are moved, so that no insert fails for want of a partition.
--
-- No unique key: identifiers come from the sequence alone, and a heartbeat's events are inserted once because
-- `worker_heartbeats.seq` rises in the same statement. No foreign keys: the log outlives its items.
create table events (
    id              bigint not null default nextval('event_ids'),
    recorded_at     timestamptz not null default now(),
    kind            event_kind not null,
    work_item_id    uuid not null,
    worker_id       uuid,
    -- By the worker's clock for 'worker_event', else by the database's.
    occurred_at     timestamptz not null default now(),

    -- kind = 'worker_event': the heartbeat, the index of the event in it, and the event. kind = 'transcript': number of the
    -- newest entry. kind = 'diff': the pushed head. kind = 'note_added' or 'note_delivered': the note, and its run. Those of
    -- workers have the lease epoch as well.
    seq             bigint,
    ordinal         integer,
    body            jsonb,

    -- kind = 'item': columns of work_items after the change. kind = 'worker': those of workers.
    repo            text,
    branch          text,
    item_status     work_item_status,
    priority        priority,
    run             integer,
    retries         integer,
    next_retry_at   timestamptz,
    tasks_total     integer,
    tasks_done      integer,
    pr_url          text,
    worker_status   worker_status,
    lease_epoch     bigint,
    failure_cause   failure_cause,

    constraint events_kind_has_columns check (case kind
        when 'item' then item_status is not null
        when 'worker' then worker_status is not null and worker_id is not null
        when 'worker_event' then body is not null and worker_id is not null
        when 'transcript' then seq is not null and worker_id is not null and lease_epoch is not null
        when 'diff' then body is not null and worker_id is not null and lease_epoch is not null
        when 'note_added' then body is not null and run is not null
        when 'note_delivered' then
            body is not null and run is not null and worker_id is not null and lease_epoch is not null
    end)
) partition by range (recorded_at);
create index events_id on events (id);
create index events_worker on events (worker_id, id) where worker_id is not null;
-- History of one item. Heartbeats insert no such rows.
create index events_item on events (work_item_id, id) where kind = 'item';
create table events_default partition of events default;

-- Identifiers are assigned in one order and become visible in another: event 11 can be visible before event 10, whose
-- transaction is still open. Readers therefore stop at `visible_through_id()`, below which no identifier can appear any
-- more.
--
-- Before a statement inserts events, its trigger takes a shared advisory lock named after the sequence's last value, so
-- its own identifiers are higher. `visible_through_id()` reads the last value first, and then the lowest name among the
-- locks that are held. A transaction with an identifier at or below the result took its lock earlier: either it still
-- holds the lock (then the result is lower), or it has ended, and Postgres makes a transaction visible before it
-- releases its locks. Reading the boundary and then, in another statement, the events up to it is therefore exact.
-- Long transactions that insert no events hold nothing back, unlike with `pg_snapshot_xmin`.
--
-- A lock name holds 31 bits of the identifier, compared by distance to the last value. A lock taken after that value
-- was read appears to be very far away and is ignored.

create function lock_event_position() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(1702257011, (last_value & 2147483647)::integer) from event_ids;
    return null;
end
$$;

-- BEFORE the statement: before its first identifier is assigned.
create trigger events_lock_position before insert on events
    for each statement execute function lock_event_position();

create function visible_through_id() returns bigint language plpgsql as $$
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
    ) as held
    where distance < 1073741824;
    return latest - coalesce(pending, 0);
end
$$;

-- Highest identifier that was deleted with a dropped partition. Clients that resume from a lower one are informed that
-- events are missing.
create table event_retention (
    singleton           boolean primary key default true check (singleton),
    pruned_through_id   bigint not null
);
insert into event_retention (pruned_through_id) select last_value from event_ids;

-- Tables with one partition per UTC day. A partition is created, filled from the default partition and attached under an
-- exclusive lock: a writer that had already chosen the default partition would be refused afterwards, and a reader would
-- miss rows that move. Partition changes are serialised and wait at most three seconds for their lock: longer than Postgres
-- needs to cancel its own autovacuum, and short enough for heartbeats that queue behind it.

create function serialize_partitions() returns void language plpgsql as $$
begin
    perform set_config('lock_timeout', '3s', true);
    perform pg_advisory_xact_lock(1702257012, 0);
end
$$;

create function partition_name(parent text, day date) returns text language sql immutable as $$
    select parent || to_char(day, '"_"YYYYMMDD')
$$;

-- False if the partition exists.
create function create_partition(parent text, day date) returns boolean language plpgsql as $$
declare
    name text := partition_name(parent, day);
    lower_bound timestamptz := day::timestamp at time zone 'utc';
    upper_bound timestamptz := (day + 1)::timestamp at time zone 'utc';
begin
    perform serialize_partitions();
    if to_regclass(name) is not null then
        return false;
    end if;
    execute format('lock table %I in access exclusive mode', parent);
    execute format('create table %I (like %I including defaults including constraints including storage)', name, parent);
    execute format(
        'with moved as (delete from %I where recorded_at >= %L and recorded_at < %L returning *)
         insert into %I select * from moved', parent || '_default', lower_bound, upper_bound, name);
    execute format(
        'alter table %I attach partition %I for values from (%L) to (%L)', parent, name, lower_bound, upper_bound);
    return true;
end
$$;

-- False if the partition does not exist.
create function drop_partition(parent text, day date) returns boolean language plpgsql as $$
declare
    name text := partition_name(parent, day);
begin
    perform serialize_partitions();
    if to_regclass(name) is null then
        return false;
    end if;
    if parent = 'events' then
        execute format(
            'update event_retention set pruned_through_id = greatest(pruned_through_id, (select max(id) from %I))', name);
    end if;
    execute format('drop table %I', name);
    return true;
end
$$;

-- Days of rows in the default partition, oldest first.
create function stranded_days(parent text) returns setof date language plpgsql stable as $$
begin
    return query execute format(
        'select distinct (recorded_at at time zone ''utc'')::date from %I order by 1', parent || '_default');
end
$$;

-- Changes of items and workers are recorded by triggers, so that none is missed, whatever statement makes it. They
-- store columns; the JSON that subscribers receive is made by the orchestrator.

create function record_item_events() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into events (kind, work_item_id, worker_id, repo, branch, item_status, priority, run, retries,
                            next_retry_at, tasks_total, tasks_done, pr_url, failure_cause)
        select 'item', id, worker_id, repo, branch, status, priority, run, retries,
               next_retry_at, tasks_total, tasks_done, pr_url, failure_cause
        from new_rows;
    else
        insert into events (kind, work_item_id, worker_id, repo, branch, item_status, priority, run, retries,
                            next_retry_at, tasks_total, tasks_done, pr_url, failure_cause)
        select 'item', n.id, n.worker_id, n.repo, n.branch, n.status, n.priority, n.run, n.retries,
               n.next_retry_at, n.tasks_total, n.tasks_done, n.pr_url, n.failure_cause
        from new_rows n join old_rows o on o.id = n.id
        where (n.status, n.priority, n.run, n.lease_epoch, n.next_retry_at, n.tasks_total, n.tasks_done, n.pr_url)
            is distinct from
              (o.status, o.priority, o.run, o.lease_epoch, o.next_retry_at, o.tasks_total, o.tasks_done, o.pr_url);
    end if;
    return null;
end
$$;

create trigger work_items_record_insert after insert on work_items
    referencing new table as new_rows
    for each statement execute function record_item_events();
create trigger work_items_record_update after update on work_items
    referencing old table as old_rows new table as new_rows
    for each statement execute function record_item_events();

create function record_worker_events() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into events (kind, work_item_id, worker_id, worker_status, lease_epoch, failure_cause)
        select 'worker', work_item_id, id, status, lease_epoch, failure_cause from new_rows;
    else
        insert into events (kind, work_item_id, worker_id, worker_status, lease_epoch, failure_cause)
        select 'worker', n.work_item_id, n.id, n.status, n.lease_epoch, n.failure_cause
        from new_rows n join old_rows o on o.id = n.id
        where n.status is distinct from o.status;
    end if;
    return null;
end
$$;

create trigger workers_record_insert after insert on workers
    referencing new table as new_rows
    for each statement execute function record_worker_events();
create trigger workers_record_update after update on workers
    referencing old table as old_rows new table as new_rows
    for each statement execute function record_worker_events();
