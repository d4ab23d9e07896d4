-- Notes of people to the agent that works on an item.

create table work_item_notes (
    id              uuid primary key,
    work_item_id    uuid not null references work_items on delete cascade,
    -- The item's current run when the note was written. Every attempt of the run gets it.
    run             integer not null check (run >= 1),
    -- Position within the run, from 1. An agent has all notes up to a number, or none.
    number          integer not null check (number >= 1),
    text            text not null,
    author          text,
    -- Reference at the source: a note that is sent twice is stored once.
    source_key      text,
    created_at      timestamptz not null default now(),
    -- When a prompt of an agent had the note for the first time, the worker of that agent, and its number among the attempts
    -- that registered.
    delivered_at    timestamptz,
    worker_id       uuid,
    attempt         integer check (attempt >= 1),

    constraint work_item_notes_number_key unique (work_item_id, run, number),
    constraint work_item_notes_source_key unique (work_item_id, source_key),
    constraint work_item_notes_delivered_to_an_attempt check (
        (delivered_at is null) = (worker_id is null) and (delivered_at is null) = (attempt is null)
    )
);
create index work_item_notes_worker on work_item_notes (worker_id) where worker_id is not null;
