//! The history of what happened: what workers told on the way, and the changes of items and workers, which triggers
//! record. The migration that made it says in which order it is read, and why that is exact.

pub mod partitions;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use whim_core::WorkerId;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};

use super::storable;

/// What a worker told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
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
    pub(super) fn of(told: &[Told<'_>]) -> sqlx::Result<Self> {
        let mut columns = Self::default();
        for told in told {
            for (ordinal, event) in (1..).zip(told.events) {
                let body = stored_body(&event.body).map_err(|error| sqlx::Error::Encode(error.into()))?;
                columns.workers.push(told.worker);
                columns.seqs.push(told.seq);
                columns.ordinals.push(ordinal);
                columns.times.push(event.at);
                columns.bodies.push(body);
            }
        }
        Ok(columns)
    }
}

/// Keeps what is known of workers. What they tell themselves is kept by [`super::beats::record`].
///
/// # Errors
/// When the database refuses, or an event cannot be written as JSON.
pub async fn insert(db: &mut PgConnection, told: &[Told<'_>]) -> sqlx::Result<()> {
    let Columns {
        workers,
        seqs,
        ordinals,
        times,
        bodies,
    } = Columns::of(told)?;
    sqlx::query!(
        "insert into events (kind, worker_id, work_item_id, seq, ordinal, at, body)
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
pub struct Recorded {
    /// Its place in the order of all.
    pub id: i64,
    /// What it is: the tag of [`whim_core::protocol::events::Event`].
    pub kind: String,
    /// Whose it is, where it is a worker's.
    pub worker_id: Option<WorkerId>,
    /// An [`whim_core::protocol::events::Event`] as JSON.
    pub data: String,
}

/// The last event before which none can come any more. To be asked for in a statement of its own, before
/// [`between`] is.
pub async fn horizon(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!(r#"select event_horizon() as "horizon!""#)
        .fetch_one(db)
        .await
}

/// The last event that went with a day that was dropped; 0 when none did. To be asked for after [`between`]: what was
/// dropped before that could be read is known by then.
pub async fn forgotten(db: impl PgExecutor<'_>) -> sqlx::Result<i64> {
    sqlx::query_scalar!("select up_to from events_forgotten")
        .fetch_one(db)
        .await
}

/// At most `limit` events after one and up to another, in order; those of one worker, or all.
pub async fn between(
    db: impl PgExecutor<'_>,
    after: i64,
    up_to: i64,
    worker: Option<WorkerId>,
    limit: i64,
) -> sqlx::Result<Vec<Recorded>> {
    sqlx::query_as!(
        Recorded,
        r#"select id, kind::text as "kind!", worker_id as "worker_id: WorkerId",
                  (body || jsonb_build_object('kind', kind, 'at', at, 'workItemId', work_item_id)
                        || case when worker_id is null then '{}' else jsonb_build_object('workerId', worker_id) end
                  )::text as "data!"
         from events
         where id > $1 and id <= $2 and ($3::uuid is null or worker_id = $3)
         order by id limit $4"#,
        after,
        up_to,
        worker as Option<WorkerId>,
        limit,
    )
    .fetch_all(db)
    .await
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
