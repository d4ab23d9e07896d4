-- Reviews of what agents wrote, as workers report them.

create type review_verdict as enum ('approved', 'changes_requested', 'commented');

create table reviews (
    id              uuid primary key,
    work_item_id    uuid not null references work_items on delete cascade,
    -- That of the item: pages of a repository are read from an index of their own.
    repo            text not null,
    worker_id       uuid not null references workers on delete cascade,
    lease_epoch     bigint not null check (lease_epoch > 0),
    number          integer not null check (number > 0),
    head_sha        text not null,
    verdict         review_verdict not null,
    summary         text not null,
    finding_counts  jsonb not null,
    findings        jsonb not null,
    model           text not null,
    tokens          jsonb not null,
    cost_usd        double precision not null check (cost_usd >= 0),
    created_at      timestamptz not null default now(),

    -- A report that is sent twice is one review.
    constraint reviews_number_key unique (worker_id, number)
);

-- Pages of an item or a repository, the newest first (identifiers sort by time).
create index reviews_work_item on reviews (work_item_id, id);
create index reviews_repo on reviews (lower(repo), id);
