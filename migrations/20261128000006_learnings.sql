-- Learnings: what one attempt found out and later ones receive.

create extension if not exists vector;

create type learning_author as enum ('agent', 'person');
-- What became of the pull request of the item that a learning comes from.
create type pull_request_outcome as enum ('pending', 'merged', 'closed');

create table learnings (
    id                  uuid primary key,
    repo                text not null,
    kind                text not null check (kind in ('pattern', 'gotcha', 'approach')),
    text                text not null,
    -- SHA-256 of the text without case, spaces and final punctuation: equal learnings of a repository are one row.
    text_hash           bytea not null,
    -- Stems of the text, for the search by words.
    words               text[] not null,
    -- Files and directories that the text names, and those of them that did not exist at the head of its attempt.
    citations           text[] not null default '{}',
    missing_citations   text[] not null default '{}',
    -- A person wrote it, or the pull request of a source was merged. Before that it is quarantined: only further
    -- attempts of an item that it comes from receive it.
    accepted_at         timestamptz,
    created_at          timestamptz not null default now(),
    updated_at          timestamptz not null default now(),
    -- A person marked it as important: it is never retired by a reconciler.
    pinned_at           timestamptz,
    -- It is kept, but no agent receives it.
    retired_at          timestamptz,
    -- Why a reconciler retired it; null if a person did.
    retired_reason      text,
    -- When a person last undid that it was retired: only items that receive it from then on count against it.
    restored_at         timestamptz,
    constraint learnings_reason_only_if_retired check (retired_reason is null or retired_at is not null)
);
create unique index learnings_text_key on learnings (lower(repo), text_hash);
create index learnings_repo on learnings (lower(repo), id);
create index learnings_words on learnings using gin (words);

-- Where a learning comes from: one row per attempt or person that reported it.
create table learning_sources (
    id              bigint generated always as identity primary key,
    learning_id     uuid not null references learnings on delete cascade,
    author          learning_author not null,
    -- The item, its run and the attempt; null if a person wrote it.
    work_item_id    uuid references work_items on delete cascade,
    run             integer,
    worker_id       uuid,
    -- The pushed head of the attempt.
    head_sha        text,
    outcome         pull_request_outcome,
    -- When the intake asked GitHub for the pull request.
    checked_at      timestamptz,
    created_at      timestamptz not null default now(),
    constraint learning_sources_attempt check ((author = 'person') = (worker_id is null)),
    constraint learning_sources_outcome check ((author = 'person') = (outcome is null))
);
-- A report that is sent again stores nothing twice.
create unique index learning_sources_attempt_key on learning_sources (learning_id, worker_id)
    where worker_id is not null;
create unique index learning_sources_person_key on learning_sources (learning_id) where author = 'person';
create index learning_sources_learning on learning_sources (learning_id);
create index learning_sources_pending on learning_sources (work_item_id) where outcome = 'pending';
create index learning_sources_item on learning_sources (work_item_id);

-- Vectors, apart from the wide rows: a narrow table scans three times faster, and none of its rows is stored elsewhere.
create table learning_embeddings (
    learning_id     uuid primary key references learnings on delete cascade,
    -- In lower case.
    repo            text not null,
    -- Vectors of two models are never compared.
    model           text not null,
    embedding       halfvec(384) not null
);
create index learning_embeddings_repo on learning_embeddings (repo);
create index learning_embeddings_owner on learning_embeddings (split_part(repo, '/', 1));
create index learning_embeddings_nearest on learning_embeddings using hnsw (embedding halfvec_cosine_ops);

-- Learnings of a repository that are near each other and not equal.
create table learning_links (
    learning_id     uuid not null references learnings on delete cascade,
    other_id        uuid not null references learnings on delete cascade,
    -- They differ in a number or a negation: one of them may be wrong.
    contradicts     boolean not null,
    -- Cosine of their vectors.
    similarity      real not null,
    created_at      timestamptz not null default now(),
    primary key (learning_id, other_id),
    constraint learning_links_ordered check (learning_id < other_id)
);
create index learning_links_other on learning_links (other_id);

-- What each attempt received, exactly.
create table learning_attempts (
    worker_id       uuid primary key references workers on delete cascade,
    work_item_id    uuid not null references work_items on delete cascade,
    repo            text not null,
    -- Of the arm without learnings, for comparison. All attempts of an item are in the arm of the earliest.
    is_holdout      boolean not null,
    -- Learnings that it received, or would have received.
    learning_count  integer not null check (learning_count >= 0),
    text            text not null,
    created_at      timestamptz not null default now()
);
create index learning_attempts_item on learning_attempts (work_item_id);

create table learning_injections (
    worker_id       uuid not null references learning_attempts on delete cascade,
    learning_id     uuid not null references learnings on delete cascade,
    -- From 1, as in the text: L1, L2 and so on.
    position        integer not null check (position > 0),
    score           real not null,
    -- The agent reported that it used it.
    is_cited        boolean not null default false,
    primary key (worker_id, learning_id)
);
create unique index learning_injections_position_key on learning_injections (worker_id, position);
create index learning_injections_learning on learning_injections (learning_id);

-- A learning with its counts.
create view learning_view as
select l.*,
       (select s.work_item_id from learning_sources s where s.learning_id = l.id order by s.id limit 1) as work_item_id,
       (select count(*) from learning_sources s where s.learning_id = l.id) as source_count,
       (select count(*) from learning_injections i where i.learning_id = l.id) as shown_count,
       (select count(*) from learning_injections i where i.learning_id = l.id and i.is_cited) as cited_count,
       array(
           select case when k.learning_id = l.id then k.other_id else k.learning_id end
           from learning_links k
           where l.id in (k.learning_id, k.other_id) and k.contradicts
       ) as contradicts
from learnings l;

-- Ended items of which an attempt received learnings, or would have if its item were not of the holdout.
create view learning_outcomes as
select i.id as work_item_id, lower(i.repo) as repo, a.is_holdout,
       i.status = 'completed' as is_completed,
       i.tasks_total,
       coalesce(n.iterations, 0) as iterations,
       coalesce(c.cost_usd, 0) as cost_usd,
       coalesce(c.attempts, 0) > 1 as is_retried
from work_items i
join lateral (
    select bool_or(is_holdout) as is_holdout from learning_attempts a where a.work_item_id = i.id and a.learning_count > 0
) a on a.is_holdout is not null
left join lateral (
    select count(*) as iterations from worker_iterations n join workers w on w.id = n.worker_id where w.work_item_id = i.id
) n on true
left join lateral (
    select count(*) as attempts, sum(coalesce((h.stats ->> 'costUsd')::float8, 0)) as cost_usd
    from workers w join worker_heartbeats h on h.worker_id = w.id
    where w.work_item_id = i.id and w.registered_at is not null
) c on true
where i.status in ('completed', 'failed');
