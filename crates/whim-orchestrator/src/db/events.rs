//! What workers told on the way.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use whim_core::WorkerId;
use whim_core::protocol::events::{WorkerEvent, WorkerEventBody};

use super::storable;

/// Keeps the events that the heartbeat `seq` brought, in one statement; those that are there already stay.
///
/// # Errors
/// When the database refuses, or an event cannot be written as JSON.
pub async fn insert(
    db: &mut PgConnection,
    worker: WorkerId,
    seq: i64,
    events: &[WorkerEvent],
) -> sqlx::Result<()> {
    let times: Vec<DateTime<Utc>> = events.iter().map(|event| event.at).collect();
    let bodies = events
        .iter()
        .map(|event| stored_body(&event.body))
        .collect::<Result<Vec<Value>, _>>()
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!(
        "insert into worker_events (worker_id, seq, ordinal, at, body)
         select $1, $2, ordinal, at, body
         from unnest($3::timestamptz[], $4::jsonb[]) with ordinality as event (at, body, ordinal)
         on conflict do nothing",
        worker as WorkerId,
        seq,
        &times,
        &bodies,
    )
    .execute(db)
    .await?;
    Ok(())
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
