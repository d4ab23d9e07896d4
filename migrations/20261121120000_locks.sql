-- What the locks in Redis are rebuilt from after it was emptied, and the files that two items changed all the same.

-- The files that workers have locked. Rows of workers that ended mean nothing, and are swept.
create table worker_locks (
    worker_id           uuid not null references workers on delete cascade,
    file                text not null,
    locked_at           timestamptz not null default now(),
    primary key (worker_id, file)
);

-- A file that an item changed without its lock, as with a shell command, while another item held it.
create table lock_conflicts (
    work_item_id        uuid not null references work_items on delete cascade,
    holder_item_id      uuid not null references work_items on delete cascade,
    file                text not null,
    at                  timestamptz not null default now(),
    primary key (work_item_id, holder_item_id, file)
);

create index lock_conflicts_of_holder on lock_conflicts (holder_item_id);
