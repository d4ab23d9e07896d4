-- How many items there are of each state and priority, without counting them: a long queue has a million.
--
-- Each statement that changes items adds what it changes as rows of its own, which wait for nobody: one row for each
-- count would keep every submission and every claim waiting for the commit of the one before. The sum of the rows is
-- the count, exact in every snapshot; a reconciler adds rows up from time to time.

create table work_item_counts (
    status          work_item_status not null,
    priority        priority not null,
    -- Added, or taken away.
    items           bigint not null check (items <> 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

create function count_work_items() returns trigger language plpgsql as $$
begin
    case tg_op
        when 'INSERT' then
            insert into work_item_counts (status, priority, items)
            select status, priority, count(*) from new_rows group by status, priority;
        when 'UPDATE' then
            insert into work_item_counts (status, priority, items)
            select status, priority, sum(items)
            from (
                select status, priority, 1 as items from new_rows
                union all
                select status, priority, -1 from old_rows
            ) changed
            group by status, priority
            having sum(items) <> 0;
        when 'DELETE' then
            insert into work_item_counts (status, priority, items)
            select status, priority, -count(*) from old_rows group by status, priority;
        when 'TRUNCATE' then
            delete from work_item_counts;
    end case;
    return null;
end
$$;

create trigger work_items_counted_in after insert on work_items
    referencing new table as new_rows
    for each statement execute function count_work_items();
create trigger work_items_counted_on after update on work_items
    referencing old table as old_rows new table as new_rows
    for each statement execute function count_work_items();
create trigger work_items_counted_out after delete on work_items
    referencing old table as old_rows
    for each statement execute function count_work_items();
create trigger work_items_counted_none after truncate on work_items
    for each statement execute function count_work_items();

-- From here on other transactions that change items wait until this one has committed: none is missed.
insert into work_item_counts (status, priority, items)
select status, priority, count(*) from work_items group by status, priority;
