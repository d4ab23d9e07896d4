-- Breakers: what failed too often is spared for a time, and everything that needs it waits without spending a retry.

alter type failure_cause add value 'model_limited';
alter type failure_cause add value 'model_refused';
alter type failure_cause add value 'github_refused';
alter type failure_cause add value 'disk_full';

create type breaker_subject as enum ('model', 'github', 'runtime', 'repository');

-- A row while something fails: first only counted, then open.
create table breakers (
    subject         breaker_subject not null,
    -- The orchestrator instance of a runtime, the repository in lower case; empty where there is only one.
    name            text not null default '',
    -- Of the latest report, for programs and for people.
    cause           failure_cause not null,
    reason          text not null,
    -- Reports in a row, without those that came while it was open.
    reports         integer not null check (reports > 0),
    -- The items that told, a few of them: one bad item must not open what many need.
    items           uuid[] not null,
    reported_at     timestamptz not null default now(),
    -- Since when it is open; null while reports are only counted.
    opened_at       timestamptz,
    -- Nothing is started before.
    until           timestamptz,
    -- At `until` it is over; else one worker tries then, and the rest follows when that works.
    ends_by_itself  boolean not null default false,
    -- The worker that tries.
    probe_worker_id uuid,
    primary key (subject, name),
    constraint breakers_open_has_until check ((opened_at is null) = (until is null))
);

-- The first item of each repository, for claims that have to leave some repositories out.
create index work_items_claim_by_repo on work_items (lower(repo), priority, queued_at, id)
    where status = 'queued' and next_retry_at is null;
