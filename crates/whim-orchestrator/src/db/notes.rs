//! Notes of people to the agents of an item.

use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::notes::Note;
use whim_core::{NoteId, UserName, WorkItemId, WorkerId};

/// The list of columns, and their conversion to a [`Note`].
macro_rules! select {
    ($rest:literal, $($argument:expr),*) => {
        sqlx::query!(
            "select id, work_item_id, run, text, author, created_at, delivered_at, worker_id, attempt
             from work_item_notes " + $rest,
            $($argument),*
        )
        .map(|row| Stored {
            worker: row.worker_id,
            note: Note {
                id: row.id,
                work_item_id: row.work_item_id,
                run: row.run.cast_unsigned(),
                text: row.text,
                author: row.author,
                created_at: row.created_at,
                delivered_at: row.delivered_at,
                attempt: row.attempt.map(i32::cast_unsigned),
            },
        })
    };
}

/// A note, with the worker whose agent had it first.
struct Stored {
    worker: Option<WorkerId>,
    note: Note,
}

/// The newest `limit` notes of an item, oldest first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn of_item(db: impl PgExecutor<'_>, item: WorkItemId, limit: i64) -> sqlx::Result<Vec<Note>> {
    let mut stored = select!(
        "where work_item_id = $1 order by run desc, number desc limit $2",
        item as WorkItemId,
        limit
    )
    .fetch_all(db)
    .await?;
    stored.reverse();
    Ok(stored.into_iter().map(|stored| stored.note).collect())
}

/// The notes of one run, oldest first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn of_run(db: impl PgExecutor<'_>, item: WorkItemId, run: u32) -> sqlx::Result<Vec<Note>> {
    let stored = select!(
        "where work_item_id = $1 and run = $2 order by number",
        item as WorkItemId,
        run.cast_signed()
    )
    .fetch_all(db)
    .await?;
    Ok(stored.into_iter().map(|stored| stored.note).collect())
}

/// The notes that agents of these workers were the first to have, oldest first.
///
/// # Errors
/// Postgres is unavailable.
pub async fn of_workers(
    db: impl PgExecutor<'_>,
    workers: &[WorkerId],
) -> sqlx::Result<Vec<(WorkerId, Note)>> {
    let stored = select!(
        "where worker_id = any($1) order by run, number",
        workers as &[WorkerId]
    )
    .fetch_all(db)
    .await?;
    let delivered = |stored: Stored| Some((stored.worker?, stored.note));
    Ok(stored.into_iter().filter_map(delivered).collect())
}

/// The note of an item with this source key.
///
/// # Errors
/// Postgres is unavailable.
pub async fn with_source_key(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    source_key: &str,
) -> sqlx::Result<Option<Note>> {
    let stored = select!(
        "where work_item_id = $1 and source_key = $2",
        item as WorkItemId,
        source_key
    )
    .fetch_optional(db)
    .await?;
    Ok(stored.map(|stored| stored.note))
}

/// A note that is not stored yet.
#[derive(Clone, Copy, Debug)]
pub struct NewNote<'a> {
    pub text: &'a str,
    pub author: Option<&'a UserName>,
    pub source_key: Option<&'a str>,
}

/// Adds a note to the current run of an item, whose row is locked.
///
/// # Errors
/// Postgres is unavailable, or there is no such item.
pub async fn insert(db: &mut PgConnection, item: WorkItemId, new: NewNote<'_>) -> sqlx::Result<Note> {
    let NewNote {
        text,
        author,
        source_key,
    } = new;
    let id = NoteId::new();
    sqlx::query!(
        "with counted as (
             update work_items set note_count = note_count + 1 where id = $2 returning id, run, note_count
         ),
         added as (
             insert into work_item_notes (id, work_item_id, run, number, text, author, source_key)
             select $1, id, run, note_count, $3, $4, $5 from counted
             returning id, work_item_id, run
         )
         insert into events (kind, work_item_id, run, body)
         select 'note_added', work_item_id, run, jsonb_build_object('noteId', id) from added",
        id as NoteId,
        item as WorkItemId,
        text,
        author.map(UserName::as_str),
        source_key,
    )
    .execute(&mut *db)
    .await?;
    let stored = select!("where id = $1", id as NoteId).fetch_one(db).await?;
    Ok(stored.note)
}

/// Records that an agent of a worker has the first `count` notes of its item's run. `attempt` is the number of the worker's
/// attempt. Notes that an agent had before stay as they are.
///
/// # Errors
/// Postgres is unavailable.
pub async fn deliver(db: &mut PgConnection, worker: WorkerId, count: i32, attempt: u32) -> sqlx::Result<()> {
    sqlx::query!(
        "with delivered as (
             update work_item_notes n
             set delivered_at = now(), worker_id = w.id, attempt = $3
             from workers w join work_items i on i.id = w.work_item_id
             where w.id = $1 and n.work_item_id = i.id and n.run = i.run and n.number <= $2 and n.delivered_at is null
             returning n.id, n.work_item_id, n.run, n.number, w.id as worker_id, w.lease_epoch
         )
         insert into events (kind, worker_id, work_item_id, lease_epoch, run, body)
         select 'note_delivered', worker_id, work_item_id, lease_epoch, run, jsonb_build_object('noteId', id)
         from delivered order by number",
        worker as WorkerId,
        count,
        attempt.cast_signed(),
    )
    .execute(db)
    .await?;
    Ok(())
}
