//! Transcripts of attempts, in compressed segments.

use sqlx::{PgConnection, PgExecutor};
use whim_core::{LeaseEpoch, WorkItemId, WorkerId};

/// What is stored of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Number of the newest entry; 0 if there is none.
    pub last_number: i64,
    /// Size of all entries as JSON.
    pub total_bytes: i64,
}

/// Entries with consecutive numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub first_number: i64,
    pub last_number: i64,
    /// Size of the entries as JSON.
    pub bytes: i64,
    /// One JSON object per line, compressed.
    pub entries: Vec<u8>,
}

/// Locks the transcript of a worker until the end of the transaction.
///
/// # Errors
/// Postgres is unavailable, or there is no such worker.
pub async fn lock(db: &mut PgConnection, worker: WorkerId) -> sqlx::Result<Stored> {
    sqlx::query_as!(
        Stored,
        "insert into transcripts (worker_id) values ($1)
         on conflict (worker_id) do update set worker_id = excluded.worker_id
         returning last_number, total_bytes",
        worker as WorkerId,
    )
    .fetch_one(db)
    .await
}

/// Appends a segment to a locked transcript. Subscribers are notified at most once per second, unless the segment is the
/// last one for now.
///
/// # Errors
/// Postgres is unavailable.
pub async fn append(
    db: &mut PgConnection,
    worker: WorkerId,
    segment: &Segment,
    is_last_for_now: bool,
) -> sqlx::Result<()> {
    sqlx::query!(
        "with segment as (
             insert into transcript_segments (worker_id, first_number, last_number, entries) values ($1, $2, $3, $4)
         ),
         due as (
             select w.id, w.work_item_id, w.lease_epoch
             from transcripts t join workers w on w.id = t.worker_id
             where t.worker_id = $1 and ($6 or t.notified_at is null or t.notified_at < now() - interval '1 second')
         ),
         event as (
             insert into events (kind, worker_id, work_item_id, lease_epoch, seq)
             select 'transcript', id, work_item_id, lease_epoch, $3 from due
         )
         update transcripts
         set last_number = $3, total_bytes = total_bytes + $5,
             notified_at = case when exists (select from due) then now() else notified_at end
         where worker_id = $1",
        worker as WorkerId,
        segment.first_number,
        segment.last_number,
        segment.entries,
        segment.bytes,
        is_last_for_now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An attempt and the extent of its transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub worker: WorkerId,
    pub lease_epoch: LeaseEpoch,
    /// Number of the oldest entry that is still stored.
    pub first_number: Option<i64>,
    /// Number of the newest entry; 0 if there is none.
    pub last_number: i64,
}

/// The attempt of an item with this epoch, or the latest one.
///
/// # Errors
/// Postgres is unavailable.
pub async fn extent(
    db: impl PgExecutor<'_>,
    item: WorkItemId,
    attempt: Option<LeaseEpoch>,
) -> sqlx::Result<Option<Extent>> {
    sqlx::query_as!(
        Extent,
        r#"select w.id as "worker: WorkerId", w.lease_epoch as "lease_epoch: LeaseEpoch",
                  coalesce(t.last_number, 0) as "last_number!",
                  (select s.first_number from transcript_segments s
                   where s.worker_id = w.id and s.recorded_at >= w.started_at
                   order by s.last_number limit 1) as first_number
         from workers w left join transcripts t on t.worker_id = w.id
         where w.work_item_id = $1 and ($2::bigint is null or w.lease_epoch = $2)
         order by w.lease_epoch desc limit 1"#,
        item as WorkItemId,
        attempt as Option<LeaseEpoch>,
    )
    .fetch_optional(db)
    .await
}

/// The segments with the first `count` entries after the entry `after`, compressed, in order. They may hold others
/// besides.
///
/// # Errors
/// Postgres is unavailable.
pub async fn segments(
    db: impl PgExecutor<'_>,
    worker: WorkerId,
    after: i64,
    count: i64,
) -> sqlx::Result<Vec<Vec<u8>>> {
    // Numbers have no gaps, but older segments may have been dropped.
    sqlx::query_scalar!(
        "with first as (
             select greatest($2, (select first_number - 1 from transcript_segments
                                  where worker_id = $1 and last_number > $2
                                  order by last_number limit 1)) as after
         )
         select s.entries
         from first, transcript_segments s
         where s.worker_id = $1 and s.last_number > first.after and s.first_number <= first.after + $3
         order by s.last_number",
        worker as WorkerId,
        after,
        count,
    )
    .fetch_all(db)
    .await
}
