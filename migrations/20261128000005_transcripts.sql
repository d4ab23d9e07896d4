-- Transcripts of attempts and diffs of items, apart from the rows that heartbeats rewrite.

-- One row per attempt with a transcript, locked while a segment is stored.
create table transcripts (
    worker_id       uuid primary key references workers on delete cascade,
    -- Newest stored entry. Entries up to it are never stored again, also when their segments were dropped.
    last_number     bigint not null default 0 check (last_number >= 0),
    -- Size of all entries that were stored, as JSON.
    total_bytes     bigint not null default 0 check (total_bytes >= 0),
    -- When subscribers were last notified.
    notified_at     timestamptz
) with (fillfactor = 50);

-- Entries as they were uploaded. One row per upload, so that a transcript of 100,000 entries is a few hundred rows.
--
-- Partitioned by UTC day like `events`, with a retention of its own. No unique key: `transcripts.last_number` rises in the
-- same transaction. No foreign keys: a dropped day takes its rows with it.
create table transcript_segments (
    worker_id       uuid not null,
    first_number    bigint not null check (first_number > 0),
    last_number     bigint not null check (last_number >= first_number),
    recorded_at     timestamptz not null default now(),
    -- One JSON object per line, compressed with zstd.
    entries         bytea not null
) partition by range (recorded_at);
-- Postgres would try to compress what is compressed.
alter table transcript_segments alter column entries set storage external;
create index transcript_segments_worker on transcript_segments (worker_id, last_number);
create table transcript_segments_default partition of transcript_segments default;

-- Diff of the latest push of each item.
create table work_item_diffs (
    work_item_id    uuid primary key references work_items on delete cascade,
    worker_id       uuid not null,
    -- A worker that lost its item does not replace the diff of a later attempt.
    lease_epoch     bigint not null check (lease_epoch > 0),
    head_sha        text not null,
    -- JSON, compressed with zstd.
    diff            bytea not null,
    updated_at      timestamptz not null default now()
);
alter table work_item_diffs alter column diff set storage external;
