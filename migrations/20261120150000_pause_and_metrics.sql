-- A person's pause of the queue, and indexes for what is counted of a day.

-- There is a row while the queue is paused.
create table queue_pause (
    only_row        boolean primary key default true check (only_row),
    paused_at       timestamptz not null default now(),
    paused_by       text,
    reason          text
);

-- Each row enters these once: when it is made, or when it ends.
create index work_items_created on work_items (created_at);
create index work_items_ended on work_items (ended_at) where ended_at is not null;
create index workers_ended on workers (ended_at) where ended_at is not null;
