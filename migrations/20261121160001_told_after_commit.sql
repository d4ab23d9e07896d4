-- Postgres commits transactions that notify one after the other, each with its wait for the disk: submissions would be as
-- many as the disk can do one at a time. Who says that it tells by itself after the commit keeps nobody waiting.

create or replace function notify_work_claimable() returns trigger language plpgsql as $$
begin
    if current_setting('whim.told_after_commit', true) is distinct from 'on'
        and exists (select from new_rows where status = 'queued' and next_retry_at is null)
    then
        perform pg_notify('whim_work', '');
    end if;
    return null;
end
$$;
