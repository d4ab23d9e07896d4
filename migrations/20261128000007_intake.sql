-- What the intake may do with its credentials, as it reported last: one row. Kept here, so that the status shows it after a
-- restart, whichever orchestrator the intake calls.
create table intake_access (
    singleton           boolean primary key default true check (singleton),
    access              jsonb not null,
    reported_at         timestamptz not null default now()
);
