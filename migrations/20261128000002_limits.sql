-- What keeps work from being started: circuit breakers and the pause of the queue. Slots, budgets and caps are
-- counted from `workers` and `worker_iterations`; the cooldown is in Redis.

create type breaker_subject as enum ('model', 'github', 'runtime', 'repository');

-- One row per subject that has failures: first counted, then open.
create table breakers (
    subject             breaker_subject not null,
    -- Credential of the model API (the name of its setting), orchestrator instance of a runtime, or repository in lower
    -- case; empty for GitHub.
    name                text not null default '',
    -- Of the latest failure.
    cause               failure_cause not null,
    reason              text not null,
    -- Consecutive failures. Failures while the breaker is open are not counted.
    failures            integer not null check (failures > 0),
    -- The latest items and repositories with these failures (a few of each): one bad item must not block its repository,
    -- and one bad repository must not block all others. Probes prefer other items.
    item_ids            uuid[] not null,
    repositories        text[] not null,
    failed_at           timestamptz not null default now(),
    -- Null while closed (failures are only counted).
    opened_at           timestamptz,
    -- Earliest time of the next start.
    retry_at            timestamptz,
    -- True: the breaker closes at `retry_at`. False: it becomes half-open, and one worker probes.
    has_fixed_expiry    boolean not null default false,
    probe_worker_id     uuid,
    primary key (subject, name),
    constraint breakers_open_has_retry_at check ((opened_at is null) = (retry_at is null))
);

-- Has a row while the queue is paused.
create table queue_pause (
    singleton       boolean primary key default true check (singleton),
    paused_at       timestamptz not null default now(),
    paused_by       text,
    reason          text
);
