-- Watches the rows of one test database from inside: what a look from time to time would miss is written down here, in
-- the transaction that does it. Nothing of this is in a production schema.

create schema whim_audit;

create table whim_audit.limits (
    max_workers     bigint not null,
    daily_budget    bigint not null
);

create table whim_audit.violations (
    id              bigserial primary key,
    at              timestamptz not null default clock_timestamp(),
    what            text not null
);

-- Every change of an item's state, for the report of a violation.
create table whim_audit.history (
    id              bigserial primary key,
    at              timestamptz not null default clock_timestamp(),
    work_item_id    uuid not null,
    lease_epoch     bigint not null,
    run             integer not null,
    change          text not null
);

-- One row for each time that a worker began or ended.
create table whim_audit.workers (
    id              bigserial primary key,
    worker_id       uuid not null,
    ended           boolean not null
);

create function whim_audit.violated(what text) returns void language sql as $$
    insert into whim_audit.violations (what) values (what)
$$;

create function whim_audit.item_changed() returns trigger language plpgsql as $$
declare
    terminal constant work_item_status[] := array['completed', 'failed', 'cancelled'];
    allowed boolean;
begin
    if tg_op = 'INSERT' then
        insert into whim_audit.history (work_item_id, lease_epoch, run, change)
        values (new.id, new.lease_epoch, new.run, 'new: ' || new.status);
        return null;
    end if;
    if new.lease_epoch <> old.lease_epoch
        and not (new.lease_epoch = old.lease_epoch + 1 and old.status = 'queued' and new.status = 'assigned') then
        perform whim_audit.violated(format('item %s: its epoch went from %s to %s while it went from %s to %s',
            new.id, old.lease_epoch, new.lease_epoch, old.status, new.status));
    end if;
    if old.status = any(terminal) and new.status = old.status
        and (new.pr_url, new.pr_number, new.ended_at, new.run)
            is distinct from (old.pr_url, old.pr_number, old.ended_at, old.run) then
        perform whim_audit.violated(format('item %s: what had %s was changed', new.id, old.status));
    end if;
    if new.status is not distinct from old.status then
        return null;
    end if;
    insert into whim_audit.history (work_item_id, lease_epoch, run, change)
    values (new.id, new.lease_epoch, new.run, old.status || ' to ' || new.status);
    -- Written down here once more, apart from the tables in the code: this is what checks them.
    allowed := case
        when old.status = any(terminal)
            then new.status in ('generating', 'queued') and new.run = old.run + 1
        when new.status = 'cancelled' then true
        when old.status = 'generating' then new.status in ('queued', 'failed')
        when old.status = 'queued' then new.status = 'assigned' and new.lease_epoch = old.lease_epoch + 1
        when old.status = 'assigned' then new.status in ('in_progress', 'queued', 'failed')
        when old.status = 'in_progress' then new.status in ('completed', 'queued', 'failed')
        else false
    end;
    if not allowed then
        perform whim_audit.violated(format('item %s went from %s (run %s, epoch %s) to %s (run %s, epoch %s)',
            new.id, old.status, old.run, old.lease_epoch, new.status, new.run, new.lease_epoch));
    end if;
    return null;
end
$$;

create trigger whim_audit_items after insert or update on work_items
    for each row execute function whim_audit.item_changed();

create function whim_audit.worker_began() returns trigger language plpgsql as $$
declare
    live bigint;
    taken bigint;
    most whim_audit.limits;
begin
    insert into whim_audit.workers (worker_id, ended) values (new.id, false);
    select * into most from whim_audit.limits;
    select count(*) into live from workers where status in ('starting', 'running');
    if live > most.max_workers then
        perform whim_audit.violated(format('worker %s is number %s in %s slots', new.id, live, most.max_workers));
    end if;
    if exists (select from workers
               where work_item_id = new.work_item_id and id <> new.id and status in ('starting', 'running')) then
        perform whim_audit.violated(format('item %s has worker %s besides one that lives', new.work_item_id, new.id));
    end if;
    if exists (select from workers
               where work_item_id = new.work_item_id and id <> new.id and lease_epoch >= new.lease_epoch) then
        perform whim_audit.violated(format('worker %s of item %s has epoch %s, which is not the highest',
            new.id, new.work_item_id, new.lease_epoch));
    end if;
    select (select count(*) from worker_iterations where day = (now() at time zone 'utc')::date)
         + (select coalesce(sum(greatest(w.max_iterations - used.count, 0)), 0)
            from workers w
            cross join lateral (select count(*) from worker_iterations n where n.worker_id = w.id) used
            where w.status in ('starting', 'running'))
    into taken;
    if taken > most.daily_budget then
        perform whim_audit.violated(format('with worker %s, %s iterations of %s a day are used or reserved',
            new.id, taken, most.daily_budget));
    end if;
    return null;
end
$$;

create trigger whim_audit_workers_began after insert on workers
    for each row execute function whim_audit.worker_began();

create function whim_audit.worker_changed() returns trigger language plpgsql as $$
begin
    if (new.id, new.work_item_id, new.lease_epoch) is distinct from (old.id, old.work_item_id, old.lease_epoch) then
        perform whim_audit.violated(format('worker %s became another one', old.id));
    end if;
    if old.ended_at is not null
        and (new.status, new.ended_at, new.failure_cause)
            is distinct from (old.status, old.ended_at, old.failure_cause) then
        perform whim_audit.violated(format('worker %s had ended as %s and became %s', old.id, old.status, new.status));
    end if;
    if old.status = 'running' and new.status = 'starting' then
        perform whim_audit.violated(format('worker %s went from running to starting', old.id));
    end if;
    if old.ended_at is null and new.ended_at is not null then
        insert into whim_audit.workers (worker_id, ended) values (new.id, true);
    end if;
    return null;
end
$$;

create trigger whim_audit_workers_changed after update on workers
    for each row execute function whim_audit.worker_changed();
