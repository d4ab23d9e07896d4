-- Up to where the history has lost events with the days that were dropped: who asks for what came after an older one is
-- told that some of it is gone, instead of being shown the rest as if it were everything.

create table events_forgotten (
    -- There is one row.
    id              boolean primary key default true check (id),
    -- The last event that was dropped; 0 when none was.
    up_to           bigint not null
);

-- Days that were dropped before this are not known. Where nothing is left, all that ever was is gone.
insert into events_forgotten (up_to)
select coalesce((select min(id) - 1 from events), (select last_value from event_ids));

-- As before, and remembers what goes. False when there is none.
create or replace function drop_event_day(day date) returns boolean language plpgsql as $$
declare
    name text := to_char(day, '"events_"YYYYMMDD');
begin
    perform take_turn_with_event_days();
    if to_regclass(name) is null then
        return false;
    end if;
    execute format(
        'update events_forgotten set up_to = greatest(up_to, (select max(id) from %I))', name);
    execute format('drop table %I', name);
    return true;
end
$$;
