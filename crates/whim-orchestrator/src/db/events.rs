//! The history of what happened: what workers told on the way, and the changes of items and workers, which triggers
//! record. The migration that made it says in which order it is read, and why that is exact.

pub mod partitions;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use whim_core::WorkerId;
use whim_core::protocol::events::{
    Event, ItemChanged, WorkerChanged, WorkerEvent, WorkerEventBody, WorkerEventRecord,
};

use super::storable;

/// What a worker told.
#[derive(Clone, Copy, Debug)]
pub struct NewEvent<'a> {
    /// The worker.
    pub worker: WorkerId,
    /// The heartbeat that brought it.
    pub seq: i64,
    /// What happened.
    pub events: &'a [WorkerEvent],
}

/// Events as columns, in their order.
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
    pub(super) fn of(told: &[NewEvent<'_>]) -> sqlx::Result<Self> {
        let mut columns = Self::default();
        for told in told {
            for (ordinal, event) in (1..).zip(told.events) {
                let body = stored_body(&event.body).map_err(|error| sqlx::Error::Encode(error.into()))?;
                columns.workers.push(told.worker);
                columns.seqs.push(told.seq);
                columns.ordinals.push(ordinal);
                columns.times.push(event.occurred_at);
                columns.bodies.push(body);
            }
        }
        Ok(columns)
    }
}

/// Keeps what is known of workers. What they tell themselves is kept by [`super::heartbeats::record`].
///
/// # Errors
/// When the database refuses, or an event cannot be written as JSON.
pub async fn insert(db: &mut PgConnection, told: &[NewEvent<'_>]) -> sqlx::Result<()> {
    let Columns {
        workers,
        seqs,
        ordinals,
        times,
        bodies,
    } = Columns::of(told)?;
    sqlx::query!(
        "insert into events (kind, worker_id, work_item_id, seq, ordinal, occurred_at, body)
         select 'worker_event', w.id, w.work_item_id, seq, ordinal, at, body
         from unnest($1::uuid[], $2::bigint[], $3::int[], $4::timestamptz[], $5::jsonb[])
             with ordinality as told (worker_id, seq, ordinal, at, body, place)
         join workers w on w.id = told.worker_id
         order by place",
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

/// An event as viewers are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the order of all.
    pub id: i64,
    /// What it is: the tag of [`whim_core::protocol::events::Event`].
    pub kind: &'static str,
    /// Whose it is, where it is a worker's.
    pub worker_id: Option<WorkerId>,
    /// An [`whim_core::protocol::events::Event`] as JSON.
    pub data: String,
}

/// The last event before which none can come any more. To be asked for in a statement of its own, before
/// [`between`] is.
pub async fn horizon(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select visible_through_id() as "horizon!""#)
        .fetch_one(db)
        .await
}

/// The last event that went with a day that was dropped; 0 when none did. To be asked for after [`between`]: what was
/// dropped before that could be read is known by then.
pub async fn forgotten(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select pruned_through_id from event_retention")
        .fetch_one(db)
        .await
}

/// Up to `limit` events with an identifier above `after` and at most `through`, in order; all, or those of one worker.
pub async fn between(
    db: impl PgExecutor<'_>,
    after: i64,
    through: i64,
    worker: Option<WorkerId>,
    limit: i64,
) -> sqlx::Result<Vec<StoredEvent>> {
    sqlx::query!(
        r#"select id, kind as "kind: Kind", work_item_id, worker_id, occurred_at, body,
                  repo, branch, item_status, priority, run, retries, next_retry_at, tasks_total, tasks_done, pr_url,
                  worker_status, lease_epoch, failure_cause
         from events
         where id > $1 and id <= $2 and ($3::uuid is null or (worker_id = $3 and kind <> 'item'))
         order by id limit $4"#,
        after,
        through,
        worker as Option<WorkerId>,
        limit,
    )
    .try_map(|row| {
        let (occurred_at, work_item_id) = (row.occurred_at, row.work_item_id);
        let count = |column: Option<i32>| column.unwrap_or_default().cast_unsigned();
        let event = match row.kind {
            Kind::Item => Event::Item(ItemChanged {
                occurred_at,
                work_item_id,
                repo: present("repo", row.repo)?,
                branch: present("branch", row.branch)?,
                status: present("item_status", row.item_status)?,
                priority: present("priority", row.priority)?,
                run: count(row.run),
                retries: count(row.retries),
                next_retry_at: row.next_retry_at,
                failure_cause: row.failure_cause,
                tasks_total: count(row.tasks_total),
                tasks_done: count(row.tasks_done),
                pr_url: row.pr_url,
                worker_id: row.worker_id,
            }),
            Kind::Worker => Event::Worker(WorkerChanged {
                occurred_at,
                worker_id: present("worker_id", row.worker_id)?,
                work_item_id,
                lease_epoch: present("lease_epoch", row.lease_epoch)?,
                status: present("worker_status", row.worker_status)?,
                failure_cause: row.failure_cause,
            }),
            Kind::WorkerEvent => Event::WorkerEvent(WorkerEventRecord {
                worker_id: present("worker_id", row.worker_id)?,
                work_item_id,
                event: WorkerEvent {
                    occurred_at,
                    body: serde_json::from_value(present("body", row.body)?).map_err(decode)?,
                },
            }),
        };
        Ok(StoredEvent {
            id: row.id,
            kind: row.kind.as_str(),
            worker_id: row.worker_id.filter(|_| row.kind != Kind::Item),
            data: serde_json::to_string(&event).map_err(decode)?,
        })
    })
    .fetch_all(db)
    .await
}

/// The value of a column that rows of this kind always have (`events_kind_has_columns`).
fn present<T>(column: &'static str, value: Option<T>) -> sqlx::Result<T> {
    value.ok_or_else(|| sqlx::Error::Decode(format!("an event without {column}").into()))
}

fn decode(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "event_kind", rename_all = "snake_case")]
enum Kind {
    Item,
    Worker,
    WorkerEvent,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Worker => "worker",
            Self::WorkerEvent => "worker_event",
        }
    }
}

fn stored_body(body: &WorkerEventBody) -> serde_json::Result<Value> {
    let mut body = serde_json::to_value(body)?;
    make_storable(&mut body);
    Ok(body)
}

/// Replaces NUL characters, which `jsonb` refuses and agents print, in every string and name of a value.
fn make_storable(value: &mut Value) {
    match value {
        Value::String(text) => {
            if text.contains('\0') {
                *text = storable(text).into_owned();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(make_storable),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(name, value)| (storable(&name).into_owned(), value))
                    .collect();
            }
            fields.values_mut().for_each(make_storable);
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
        make_storable(&mut value);
        assert_eq!(
            value,
            json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\u{fffd}"}], "c": 1})
        );
    }
}
