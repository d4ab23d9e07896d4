-- What today has taken of the budget, for whoever asks, alone or together with other things. It is made a part of the
-- statement that asks and planned with it: Postgres does so with a function that is nothing but a query and returns a
-- table (`inline_set_returning_function`).

create function budget_today()
returns table (day date, used bigint, reserved bigint, resets_at timestamptz)
language sql stable rows 1 as $$
    select
        (now() at time zone 'utc')::date,
        (select count(*) from worker_iterations n where n.day = (now() at time zone 'utc')::date),
        -- What live workers may still use, whatever the day on which they were started.
        (select coalesce(sum(greatest(w.max_iterations - u.count, 0)), 0)::bigint
         from workers w
         cross join lateral (select count(*) from worker_iterations n where n.worker_id = w.id) u
         where w.status in ('starting', 'running')),
        (date_trunc('day', now() at time zone 'utc') + interval '1 day') at time zone 'utc'
$$;
