//! The event log: events that workers sent, and changes of items and workers, which triggers record. The migration that
//! creates it describes the order in which it is read.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::events::{
    DiffChanged, ItemChanged, NoteAdded, NoteDelivered, SubscriberEvent, TranscriptChanged, WorkerChanged,
    WorkerEvent, WorkerEventBody, WorkerEventRecord,
};
use whim_core::{BranchName, CommitHash, LeaseEpoch, NoteId, RepoName, WorkItemId, WorkerId};
use whim_service::chain::chain;

use super::storable;

/// The events of one heartbeat.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    pub worker: WorkerId,
    /// The heartbeat's `seq`.
    pub seq: i64,
    pub events: &'a [WorkerEvent],
}

/// Events as columns, in the order in which they are stored.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) workers: Vec<WorkerId>,
    pub(super) seqs: Vec<i64>,
    pub(super) ordinals: Vec<i32>,
    pub(super) times: Vec<DateTime<Utc>>,
    pub(super) bodies: Vec<Value>,
}

impl Columns {
    /// # Errors
    /// An event cannot be written as JSON.
    pub(super) fn of(batches: &[NewEvent<'_>]) -> sqlx::Result<Self> {
        let mut columns = Self::default();
        for batch in batches {
            for (ordinal, event) in (1..).zip(batch.events) {
                let body = stored_body(&event.body).map_err(|error| sqlx::Error::Encode(error.into()))?;
                columns.workers.push(batch.worker);
                columns.seqs.push(batch.seq);
                columns.ordinals.push(ordinal);
                columns.times.push(event.occurred_at);
                columns.bodies.push(body);
            }
        }
        Ok(columns)
    }
}

/// Stores events that the orchestrator raises for workers. Events of heartbeats are stored by
/// [`super::heartbeats::record`].
///
/// # Errors
/// Postgres is unavailable, or an event cannot be written as JSON.
pub async fn insert(db: &mut PgConnection, batches: &[NewEvent<'_>]) -> sqlx::Result<()> {
    let Columns {
        workers,
        seqs,
        ordinals,
        times,
        bodies,
    } = Columns::of(batches)?;
    sqlx::query!(
        "insert into events (kind, worker_id, work_item_id, seq, ordinal, occurred_at, body)
         select 'worker_event', w.id, w.work_item_id, e.seq, e.ordinal, e.occurred_at, e.body
         from unnest($1::uuid[], $2::bigint[], $3::int[], $4::timestamptz[], $5::jsonb[])
             with ordinality as e (worker_id, seq, ordinal, occurred_at, body, place)
         join workers w on w.id = e.worker_id
         order by e.place",
        &workers as &[WorkerId],
        &seqs,
        &ordinals,
        &times,
        &bodies,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredEvent {
    /// Position in the log.
    pub id: i64,
    pub event: SubscriberEvent,
}

/// A part of the log, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub events: Vec<StoredEvent>,
    /// Every event up to this identifier was read.
    pub through: i64,
    /// Whether the page ended at its limit before it reached the requested end.
    pub has_more: bool,
}

/// The identifier up to which the log is complete: no event at or below it can appear any more. Read it in a statement
/// before [`page`].
///
/// # Errors
/// Postgres is unavailable.
pub async fn visible_through(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select visible_through_id() as "id!""#)
        .fetch_one(db)
        .await
}

/// The highest identifier that was deleted with its partition; 0 if there is none. Read it in a statement after
/// [`page`], so that a partition that was dropped in between is noticed.
///
/// # Errors
/// Postgres is unavailable.
pub async fn pruned_through(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select pruned_through_id from event_retention")
        .fetch_one(db)
        .await
}

/// Up to `limit` events with identifiers above `after` and up to `through`; with `worker`, only those of its stream.
/// Events that cannot be decoded, for instance of a kind that a newer release added, are logged and skipped.
///
/// # Errors
/// Postgres is unavailable.
pub async fn page(
    db: impl PgExecutor<'_>,
    after: i64,
    through: i64,
    worker: Option<WorkerId>,
    limit: u16,
) -> sqlx::Result<Page> {
    // Types that decoding can refuse are read as text: an error of sqlx would fail the page instead of one event.
    let rows = sqlx::query_as!(
        Row,
        r#"select id, kind::text as "kind!", work_item_id, worker_id, occurred_at, seq, body::text,
                  repo, branch, item_status::text, priority::text, run, retries, next_retry_at, tasks_total, tasks_done,
                  pr_url, worker_status::text, lease_epoch, failure_cause::text
         from events
         where id > $1 and id <= $2 and ($3::uuid is null or (worker_id = $3 and kind <> 'item'))
         order by id limit $4"#,
        after,
        through,
        worker as Option<WorkerId>,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(Page::of(rows, through.max(after), limit))
}

/// Up to `limit` changes of an item after the event `after`, without those of its workers.
///
/// # Errors
/// Postgres is unavailable.
pub async fn item_page(
    db: impl PgExecutor<'_>,
    after: i64,
    item: WorkItemId,
    limit: u16,
) -> sqlx::Result<Page> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, kind::text as "kind!", work_item_id, worker_id, occurred_at, seq, body::text,
                  repo, branch, item_status::text, priority::text, run, retries, next_retry_at, tasks_total, tasks_done,
                  pr_url, worker_status::text, lease_epoch, failure_cause::text
         from events
         where id > $1 and work_item_id = $2 and kind = 'item'
         order by id limit $3"#,
        after,
        item as WorkItemId,
        i64::from(limit),
    )
    .fetch_all(db)
    .await?;
    Ok(Page::of(rows, after, limit))
}

impl Page {
    /// `through`: what was read if the page is not full.
    fn of(rows: Vec<Row>, through: i64, limit: u16) -> Self {
        let has_more = rows.len() == usize::from(limit);
        let through = match rows.last() {
            Some(last) if has_more => last.id,
            Some(_) | None => through,
        };
        Self {
            events: decode(rows),
            through,
            has_more,
        }
    }
}

fn decode(rows: Vec<Row>) -> Vec<StoredEvent> {
    let mut events = Vec::with_capacity(rows.len());
    let mut skipped = 0_u32;
    for row in rows {
        let id = row.id;
        match row.into_event() {
            Ok(event) => events.push(StoredEvent { id, event }),
            Err(error) => {
                // A page may be full of them: the first is an example.
                if skipped == 0 {
                    tracing::warn!(event_id = id, error = %chain(&error), "skipping an event that cannot be decoded");
                }
                skipped += 1;
            }
        }
    }
    if skipped > 1 {
        tracing::warn!(skipped, "skipped events that cannot be decoded");
    }
    events
}

struct Row {
    id: i64,
    kind: String,
    work_item_id: WorkItemId,
    worker_id: Option<WorkerId>,
    occurred_at: DateTime<Utc>,
    seq: Option<i64>,
    body: Option<String>,
    repo: Option<RepoName>,
    branch: Option<BranchName>,
    item_status: Option<String>,
    priority: Option<String>,
    run: Option<i32>,
    retries: Option<i32>,
    next_retry_at: Option<DateTime<Utc>>,
    tasks_total: Option<i32>,
    tasks_done: Option<i32>,
    pr_url: Option<String>,
    worker_status: Option<String>,
    lease_epoch: Option<LeaseEpoch>,
    failure_cause: Option<String>,
}

/// The column `body` of a change of a diff.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiffBody {
    head_sha: CommitHash,
}

/// The column `body` of an event about a note.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NoteBody {
    note_id: NoteId,
}

#[derive(Debug, thiserror::Error)]
enum DecodeError {
    #[error("unknown kind {0:?}")]
    UnknownKind(String),
    #[error("column {0} is null")]
    Null(&'static str),
    #[error("column {column} holds {value:?}")]
    Text {
        column: &'static str,
        value: String,
        source: serde::de::value::Error,
    },
    #[error("column body holds no event")]
    Body(#[source] serde_json::Error),
}

impl Row {
    fn into_event(self) -> Result<SubscriberEvent, DecodeError> {
        let occurred_at = self.occurred_at;
        let (work_item_id, worker_id) = (self.work_item_id, self.worker_id);
        let failure_cause = self
            .failure_cause
            .map(|cause| parse("failure_cause", cause))
            .transpose()?;
        Ok(match self.kind.as_str() {
            "item" => SubscriberEvent::Item(ItemChanged {
                occurred_at,
                work_item_id,
                repo: required("repo", self.repo)?,
                branch: required("branch", self.branch)?,
                status: parse("item_status", required("item_status", self.item_status)?)?,
                priority: parse("priority", required("priority", self.priority)?)?,
                run: required("run", self.run)?.cast_unsigned(),
                retries: required("retries", self.retries)?.cast_unsigned(),
                next_retry_at: self.next_retry_at,
                failure_cause,
                tasks_total: required("tasks_total", self.tasks_total)?.cast_unsigned(),
                tasks_done: required("tasks_done", self.tasks_done)?.cast_unsigned(),
                pr_url: self.pr_url,
                worker_id,
            }),
            "worker" => SubscriberEvent::Worker(WorkerChanged {
                occurred_at,
                worker_id: required("worker_id", worker_id)?,
                work_item_id,
                lease_epoch: required("lease_epoch", self.lease_epoch)?,
                status: parse("worker_status", required("worker_status", self.worker_status)?)?,
                failure_cause,
            }),
            "worker_event" => {
                let body = required("body", self.body)?;
                SubscriberEvent::WorkerEvent(WorkerEventRecord {
                    worker_id: required("worker_id", worker_id)?,
                    work_item_id,
                    event: WorkerEvent {
                        occurred_at,
                        body: serde_json::from_str(&body).map_err(DecodeError::Body)?,
                    },
                })
            }
            "transcript" => SubscriberEvent::Transcript(TranscriptChanged {
                occurred_at,
                worker_id: required("worker_id", worker_id)?,
                work_item_id,
                lease_epoch: required("lease_epoch", self.lease_epoch)?,
                last_number: required("seq", self.seq)?.cast_unsigned(),
            }),
            "diff" => {
                let body = required("body", self.body)?;
                let DiffBody { head_sha } = serde_json::from_str(&body).map_err(DecodeError::Body)?;
                SubscriberEvent::Diff(DiffChanged {
                    occurred_at,
                    worker_id: required("worker_id", worker_id)?,
                    work_item_id,
                    lease_epoch: required("lease_epoch", self.lease_epoch)?,
                    head_sha,
                })
            }
            "note_added" => SubscriberEvent::NoteAdded(NoteAdded {
                occurred_at,
                work_item_id,
                run: required("run", self.run)?.cast_unsigned(),
                note_id: note_id(self.body)?,
            }),
            "note_delivered" => SubscriberEvent::NoteDelivered(NoteDelivered {
                occurred_at,
                worker_id: required("worker_id", worker_id)?,
                work_item_id,
                lease_epoch: required("lease_epoch", self.lease_epoch)?,
                run: required("run", self.run)?.cast_unsigned(),
                note_id: note_id(self.body)?,
            }),
            _newer => return Err(DecodeError::UnknownKind(self.kind)),
        })
    }
}

fn note_id(body: Option<String>) -> Result<NoteId, DecodeError> {
    let body = required("body", body)?;
    let NoteBody { note_id } = serde_json::from_str(&body).map_err(DecodeError::Body)?;
    Ok(note_id)
}

fn required<T>(column: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Null(column))
}

/// Reads a name as it is on the wire; the names in the database are the same.
fn parse<T: DeserializeOwned>(column: &'static str, value: String) -> Result<T, DecodeError> {
    T::deserialize(value.as_str().into_deserializer()).map_err(|source| DecodeError::Text {
        column,
        value,
        source,
    })
}

fn stored_body(body: &WorkerEventBody) -> serde_json::Result<Value> {
    let mut body = serde_json::to_value(body)?;
    replace_nul(&mut body);
    Ok(body)
}

/// Replaces NUL characters, which `jsonb` refuses and agents print, in every string and name of a value.
fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains('\0') {
                *text = storable(text).into_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(replace_nul),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, value)| (storable(&name).into_owned(), value))
                    .collect();
            }
            fields.values_mut().for_each(replace_nul);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_characters_are_replaced_wherever_an_agent_puts_them() {
        let mut value = json!({"a\0": ["x\0y", {"b": "\0"}], "c": 1});
        replace_nul(&mut value);
        assert_eq!(
            value,
            json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\u{fffd}"}], "c": 1})
        );
    }
}
