-- Reviews of diffs, as workers report them.

create type review_verdict as enum ('approved', 'changes_requested', 'commented');

create table reviews (
    id              uuid primary key,
    work_item_id    uuid not null references work_items on delete cascade,
    -- Copied from the item, so that pages of a repository need no join.
    repo            text not null,
    worker_id       uuid not null references workers on delete cascade,
    lease_epoch     bigint not null check (lease_epoch > 0),
    -- 1 for the first review of an attempt, plus 1 after each fix pass.
    round           integer not null check (round > 0),
    head_sha        text not null,
    verdict         review_verdict not null,
    summary         text not null,
    finding_counts  jsonb not null,
    findings        jsonb not null,
    model           text not null,
    tokens          jsonb not null,
    cost_usd        double precision not null check (cost_usd >= 0),
    created_at      timestamptz not null default now(),

    -- A report that is sent twice is stored once.
    constraint reviews_round_key unique (worker_id, round)
);

-- Keyset pages, newest first.
create index reviews_work_item on reviews (work_item_id, id);
create index reviews_repo on reviews (lower(repo), id);

-- Tokens and cost of reviews are not in the statistics of workers.
create function add_usage_of_reviews() returns trigger language plpgsql as $$
begin
    insert into daily_usage (day, repo, requested_by, input_tokens, output_tokens, cache_read_tokens,
                             cache_write_tokens, cost_usd)
    select (n.created_at at time zone 'utc')::date, lower(n.repo), lower(w.requested_by),
           coalesce((n.tokens ->> 'input')::float8, 0),
           coalesce((n.tokens ->> 'output')::float8, 0),
           coalesce((n.tokens ->> 'cacheRead')::float8, 0),
           coalesce((n.tokens ->> 'cacheWrite')::float8, 0),
           n.cost_usd
    from new_rows n
    join workers w on w.id = n.worker_id;
    return null;
end
$$;

create trigger reviews_add_usage after insert on reviews
    referencing new table as new_rows
    for each statement execute function add_usage_of_reviews();
