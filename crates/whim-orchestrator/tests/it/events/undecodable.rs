//! Stored events that this version cannot decode.
#![expect(clippy::unwrap_used, reason = "a test whose world breaks has failed")]

use whim_core::WorkerId;

use crate::app::TestApp;
use crate::watcher::Watcher;

/// Inserts an event of a worker with this body.
async fn insert_body(app: &TestApp, worker: WorkerId, body: &str) -> i64 {
    sqlx::query_scalar(
        "insert into events (kind, work_item_id, worker_id, body)
         values ('worker_event', gen_random_uuid(), $1, $2::jsonb) returning id",
    )
    .bind(worker.as_uuid())
    .bind(body)
    .fetch_one(&app.app.database)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_stored_event_that_cannot_be_decoded_is_skipped_and_ends_no_stream() {
    let app = TestApp::start().await;
    let mut live = Watcher::of_all(&app).await;
    let begin = live.next().await.unwrap().id.unwrap();
    let worker = WorkerId::new();
    let mut readable = Vec::new();
    for (index, unreadable) in [
        r#"{"type": "a_kind_of_a_newer_release", "field": 1}"#,
        r#"{"type": "pushed"}"#,
        r#"[]"#,
        r#"{"type": "ralph", "event": {"event": "tool", "number": 1e400}}"#,
    ]
    .into_iter()
    .enumerate()
    {
        insert_body(&app, worker, unreadable).await;
        let body = format!(r#"{{"type": "notice", "message": "{index}"}}"#);
        readable.push(insert_body(&app, worker, &body).await);
    }
    // Columns that the constraint of the table does not require.
    sqlx::query(
        "insert into events (kind, work_item_id, item_status) values ('item', gen_random_uuid(), 'queued')",
    )
    .execute(&app.app.database)
    .await
    .unwrap();
    readable.push(insert_body(&app, worker, r#"{"type": "notice", "message": "last"}"#).await);
    app.app.events.notify_changed();

    let mut replay = Watcher::after(&app, begin).await;
    for subscriber in [&mut live, &mut replay] {
        let received = subscriber.until(|sent| sent.data["message"] == "last").await;
        let ids: Vec<i64> = received.iter().map(|sent| sent.id.unwrap()).collect();
        assert_eq!(ids, readable);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_page_of_events_that_cannot_be_decoded_does_not_block_later_ones() {
    let app = TestApp::start().await;
    sqlx::query(
        "insert into events (kind, work_item_id, worker_id, body)
         select 'worker_event', gen_random_uuid(), gen_random_uuid(), '{\"type\": \"unknown\"}'
         from generate_series(1, 1200)",
    )
    .execute(&app.app.database)
    .await
    .unwrap();
    let last = insert_body(&app, WorkerId::new(), r#"{"type": "notice", "message": "last"}"#).await;

    let received = Watcher::after(&app, 0).await.next().await.unwrap();

    assert_eq!(received.id, Some(last));
    app.stop().await;
}
