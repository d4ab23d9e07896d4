//! Streams of events and logs.

use futures::{StreamExt as _, TryStreamExt as _};
use whim_client::{ClientError, Received};
use whim_core::WorkerId;
use whim_core::protocol::ErrorCode;
use whim_core::protocol::events::SubscriberEvent;

use crate::server::{Say, Server, refusal};

fn lagged(dropped_count: u64) -> String {
    format!("event: lagged\ndata: {{\"kind\":\"lagged\",\"droppedCount\":{dropped_count}}}\n\n")
}

fn dropped_count(received: Option<Result<Received, ClientError>>) -> (i64, u64) {
    match received.unwrap().unwrap() {
        Received {
            id,
            event: SubscriberEvent::Lagged(lagged),
        } => (id, lagged.dropped_count.unwrap()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stream_of_events_goes_on_after_the_last_one_when_the_connection_is_lost() {
    let server = Server::start([
        Say::Text(
            200,
            format!(
                "id: 7\n\n: a comment\n\nevent: new_kind\nid: 8\ndata: {{}}\n\n{}",
                lagged(1)
            ),
        ),
        Say::Text(503, "away".to_owned()),
        Say::Text(200, format!("id: 9\n{}", lagged(2))),
        Say::Json(401, refusal("unauthorized")),
    ])
    .await;
    let mut events = Box::pin(server.client().events(None));

    assert_eq!(dropped_count(events.next().await), (8, 1));
    assert_eq!(dropped_count(events.next().await), (9, 2));
    let refused = events.next().await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::Unauthorized));
    assert!(events.next().await.is_none());

    let seen = server.seen().await;
    let asked: Vec<&str> = seen.iter().map(|seen| seen.header("last-event-id")).collect();
    assert_eq!(asked, ["", "8", "8", "9"]);
    assert!(seen.iter().all(|seen| seen.call == "GET /api/events"));
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == "Bearer the-key")
    );
}

#[tokio::test]
async fn the_events_of_one_worker_and_its_log_have_their_routes() {
    let id = WorkerId::new();
    let server = Server::start([
        Say::Text(200, lagged(3)),
        Say::Text(200, "one\ntwo\n".to_owned()),
        Say::Json(404, refusal("not_found")),
    ])
    .await;
    let client = server.client();

    let mut events = Box::pin(client.worker_events(id, Some(5)));
    assert_eq!(dropped_count(events.next().await), (5, 3));
    let log: Vec<_> = client
        .follow_worker_logs(id, Some(10))
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(log.concat(), b"one\ntwo\n");
    let refused = client.follow_worker_logs(id, None).await.err().unwrap();
    assert_eq!(refused.code(), Some(ErrorCode::NotFound));

    assert_eq!(
        server.calls().await,
        [
            format!("GET /api/workers/{id}/events"),
            format!("GET /api/workers/{id}/logs?follow=true&lines=10"),
            format!("GET /api/workers/{id}/logs?follow=true"),
        ]
    );
}
