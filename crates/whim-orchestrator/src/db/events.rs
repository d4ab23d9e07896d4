//! The history of what happened: what workers told on the way, and the changes of items and workers, which triggers
//! record. The migration that made it says in which order it is read, and why that is exact.

pub mod partitions;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};
use whim_core::{WorkItemId, WorkerId};

use super::storable;

/// What one heartbeat brought that was not known.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The worker.
    pub worker: WorkerId,
    /// Its item.
    pub work_item_id: WorkItemId,
    /// The heartbeat.
    pub seq: i64,
    /// What happened.
    pub events: &'a [WorkerEvent],
}

/// Keeps what heartbeats brought, in one statement. That each heartbeat's events are kept once is the caller's to see
/// to: in the transaction in which its number became the latest.
///
/// # Errors
/// When the database refuses, or an event cannot be written as JSON.
pub async fn insert(db: &mut PgConnection, told: &[Told<'_>]) -> sqlx::Result<()> {
    let count = told.iter().map(|told| told.events.len()).sum();
    let mut workers: Vec<WorkerId> = Vec::with_capacity(count);
    let mut items: Vec<WorkItemId> = Vec::with_capacity(count);
    let mut seqs: Vec<i64> = Vec::with_capacity(count);
    let mut ordinals: Vec<i32> = Vec::with_capacity(count);
    let mut times: Vec<DateTime<Utc>> = Vec::with_capacity(count);
    let mut bodies: Vec<Value> = Vec::with_capacity(count);
    for told in told {
        for (ordinal, event) in (1..).zip(told.events) {
            let body = stored_body(&event.body).map_err(|error| sqlx::Error::Encode(error.into()))?;
            workers.push(told.worker);
            items.push(told.work_item_id);
            seqs.push(told.seq);
            ordinals.push(ordinal);
            times.push(event.at);
            bodies.push(body);
        }
    }
    sqlx::query!(
        "insert into events (kind, worker_id, work_item_id, seq, ordinal, at, body)
         select 'worker_event', worker_id, work_item_id, seq, ordinal, at, body
         from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::int[], $5::timestamptz[], $6::jsonb[])
             with ordinality as told (worker_id, work_item_id, seq, ordinal, at, body, place)
         order by place",
        &workers as &[WorkerId],
        &items as &[WorkItemId],
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
