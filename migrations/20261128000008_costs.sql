-- What the model API cost: one row for each request that it answered, written once and never changed. Rows have no reference to
-- items and workers, because money that was spent stays spent.

-- What a request was for: the work includes repairs. A worker reports its stage with its heartbeats, so a request at the border of
-- two stages may count for the other one.
create type cost_stage as enum ('work', 'review');

create table model_requests (
    -- Chosen by the gateway: a request that is reported again is stored once.
    id                      uuid primary key,
    work_item_id            uuid not null,
    worker_id               uuid not null,
    run                     integer not null,
    -- In lower case.
    repo                    text not null,
    -- Requester of the run, in lower case.
    requested_by            text,
    stage                   cost_stage not null,
    model                   text not null,
    -- The API's own.
    request_id              text,
    input_tokens            bigint not null check (input_tokens >= 0),
    output_tokens           bigint not null check (output_tokens >= 0),
    cache_read_tokens       bigint not null check (cache_read_tokens >= 0),
    -- For five minutes, and for an hour.
    cache_write_tokens      bigint not null check (cache_write_tokens >= 0),
    cache_write_hour_tokens bigint not null check (cache_write_hour_tokens >= 0),
    -- At the list price of the day, also for a plan that is not billed by tokens.
    micro_dollars           bigint not null check (micro_dollars >= 0),
    -- The response broke off, or the model has no known price.
    is_estimate             boolean not null,
    -- UTC.
    day                     date not null default (now() at time zone 'utc')::date,
    recorded_at             timestamptz not null default now()
);
create index model_requests_day on model_requests (day, repo);
create index model_requests_item on model_requests (work_item_id);
