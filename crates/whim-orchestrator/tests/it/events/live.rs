//! Live events, and their replay.
#![expect(clippy::unwrap_used, reason = "a test whose world breaks has failed")]

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use whim_core::WorkerId;
use whim_testkit::wait::wait_until;

use crate::app::{PATIENCE, Services, TestApp};
use crate::watcher::{Sent, Watcher};

fn notice(message: &str) -> Value {
    json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": message })
}

fn is_notice(sent: &Sent, message: &str) -> bool {
    sent.data["message"] == message
}

async fn heartbeat(app: &TestApp, worker: WorkerId, seq: u64, messages: &[&str]) {
    let events: Vec<Value> = messages.iter().map(|message| notice(message)).collect();
    let body = json!({ "seq": seq, "events": events });
    let (status, answer) = app.worker_call(worker, "heartbeat", &body).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn subscribers_receive_events_of_items_and_workers_in_order() {
    let app = TestApp::start().await;
    let mut subscriber = Watcher::of_all(&app).await;
    let position = subscriber.next().await.unwrap();
    assert_eq!((position.kind.as_str(), position.id.is_some()), ("", true));

    let (_item, worker) = app.running().await;
    heartbeat(&app, worker, 1, &["hello", "again"]).await;
    let (status, _) = app.post(&format!("/api/workers/{worker}/kill"), &json!({})).await;
    assert_eq!(status, 200);

    let seen = subscriber.until(|sent| sent.data["status"] == "killed").await;
    let short = |sent: &Sent| {
        let what = sent.data.get("status").or(sent.data.get("message")).unwrap();
        format!("{} {}", sent.kind, what.as_str().unwrap())
    };
    let mut received: Vec<String> = seen.iter().map(short).collect();
    received.retain(|event| event != "item queued");
    assert_eq!(
        received,
        [
            "item assigned",
            "worker starting",
            "worker running",
            "item in_progress",
            "worker_event hello",
            "worker_event again",
            "worker killed"
        ]
    );
    let ids: Vec<i64> = seen.iter().map(|sent| sent.id.unwrap()).collect();
    assert!(ids.is_sorted_by(|one, other| one < other), "{ids:?}");
    assert!(position.id.unwrap() < ids[0]);
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_resumes_receives_every_missed_event_once_and_then_live_ones() {
    let app = TestApp::start().await;
    let mut subscriber = Watcher::of_all(&app).await;
    let begin = subscriber.next().await.unwrap().id.unwrap();
    let (_item, worker) = app.running().await;
    heartbeat(&app, worker, 1, &["one", "two", "three"]).await;
    let all = subscriber.until(|sent| is_notice(sent, "three")).await;

    for (index, last) in all.iter().enumerate() {
        let mut again = Watcher::after(&app, last.id.unwrap()).await;
        heartbeat(&app, worker, 2 + index as u64, &["later"]).await;
        let missed = again.until(|sent| is_notice(sent, "later")).await;
        assert_eq!(&missed[..all.len() - index - 1], &all[index + 1..]);
    }
    // Browsers cannot send the header when they first connect.
    let path = format!("/api/events?lastEventId={begin}");
    let mut again = Watcher::connect(app.api(reqwest::Method::GET, &path)).await;
    assert_eq!(again.until(|sent| is_notice(sent, "three")).await, all);
    // An identifier of another database is clamped.
    let mut again = Watcher::after(&app, i64::MAX).await;
    heartbeat(&app, worker, 1000, &["from now on"]).await;
    assert!(is_notice(&again.next().await.unwrap(), "from now on"));

    let request = app
        .api(reqwest::Method::GET, "/api/events")
        .header("Last-Event-ID", "x");
    let refused: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(refused["details"]["field"], "Last-Event-ID", "{refused}");
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_resumes_from_before_the_retention_is_informed_that_events_are_missing() {
    let app = TestApp::with(&[("EVENT_RETENTION_DAYS", "2")]).await;
    let insert = async |days_ago: i32| -> i64 {
        sqlx::query_scalar(
            "insert into events (kind, work_item_id, worker_id, body, recorded_at)
             values ('worker_event', gen_random_uuid(), gen_random_uuid(),
                     '{\"type\": \"notice\", \"message\": \"old\"}', now() - make_interval(days => $1))
             returning id",
        )
        .bind(days_ago)
        .fetch_one(&app.app.database)
        .await
        .unwrap()
    };
    let (dropped_id, last_dropped_id, kept) = (insert(4).await, insert(3).await, insert(1).await);
    wait_until("the old partitions to be dropped", PATIENCE, async || {
        let left: i64 = sqlx::query_scalar("select min(id) from events")
            .fetch_one(&app.app.database)
            .await
            .unwrap();
        if left == kept { Ok(()) } else { Err(left) }
    })
    .await
    .unwrap();

    for after in [0, dropped_id] {
        let received = Watcher::after(&app, after)
            .await
            .until(|sent| sent.id.is_some())
            .await;
        let received: Vec<_> = received
            .iter()
            .map(|sent| (sent.kind.as_str(), sent.id, &sent.data["droppedCount"]))
            .collect();
        let expected = [
            ("lagged", None, &Value::Null),
            ("worker_event", Some(kept), &Value::Null),
        ];
        assert_eq!(received, expected, "after {after}");
    }
    let next = Watcher::after(&app, last_dropped_id).await.next().await.unwrap();
    assert_eq!((next.kind.as_str(), next.id), ("worker_event", Some(kept)));
    app.stop().await;
}

#[tokio::test]
async fn a_subscriber_of_one_worker_receives_only_its_events() {
    let app = TestApp::start().await;
    let ((_, own), (_, other)) = (app.running().await, app.running().await);
    let path = format!("/api/workers/{own}/events");
    let replayed = format!("{path}?lastEventId=0");
    let mut live = Watcher::connect(app.api(reqwest::Method::GET, &path)).await;

    heartbeat(&app, other, 1, &["not mine"]).await;
    heartbeat(&app, own, 1, &["mine"]).await;

    assert!(is_notice(&live.next_of("worker_event").await, "mine"));
    let mut replay = Watcher::connect(app.api(reqwest::Method::GET, &replayed)).await;
    let received = replay.until(|sent| is_notice(sent, "mine")).await;
    let own = json!(own);
    assert!(
        received.iter().all(|sent| sent.data["workerId"] == own),
        "{received:?}"
    );
    assert_eq!(received.len(), 3, "{received:?}");

    let unknown = format!("/api/workers/{}/events", WorkerId::new());
    assert_eq!(app.get(&unknown).await.0, 404);
    app.stop().await;
}

#[tokio::test]
async fn events_of_other_orchestrators_are_received_with_and_without_redis() {
    let services = Services::with_own_redis().await;
    let first = TestApp::beside(&services, &[]).await;
    let second = TestApp::beside(&services, &[("MAX_WORKERS", "0")]).await;
    let (_item, worker) = first.running().await;
    let mut subscribers = [Watcher::of_all(&first).await, Watcher::of_all(&second).await];

    heartbeat(&first, worker, 1, &["with redis"]).await;
    for subscriber in &mut subscribers {
        assert!(is_notice(&subscriber.next_of("worker_event").await, "with redis"));
    }
    services.redis.stop().await.unwrap();
    heartbeat(&first, worker, 2, &["without"]).await;
    for subscriber in &mut subscribers {
        assert!(is_notice(&subscriber.next_of("worker_event").await, "without"));
    }
    let (status, health) = second.get("/health").await;
    assert_eq!(
        (status.as_u16(), &health["redis"]["healthy"]),
        (503, &json!(false))
    );
    first.stop().await;
    second.stop().await;
}

/// Inserts an event, waits a little, and commits or rolls back.
async fn write_slowly(app: &TestApp, commits: bool) {
    let mut transaction = app.app.work_database.begin().await.unwrap();
    let insert = "insert into events (kind, work_item_id, worker_id, body)
         values ('worker_event', gen_random_uuid(), gen_random_uuid(), '{\"type\": \"notice\", \"message\": \"slow\"}')";
    sqlx::query(insert).execute(&mut *transaction).await.unwrap();
    sqlx::query("select pg_sleep(random() * 0.02)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    if commits {
        transaction.commit().await.unwrap();
    } else {
        transaction.rollback().await.unwrap();
    }
    app.app.events.notify_changed();
}

#[tokio::test]
async fn events_of_transactions_that_commit_out_of_order_are_received_once_and_in_order() {
    let app = TestApp::start().await;
    let mut live = Watcher::of_all(&app).await;
    let begin = live.next().await.unwrap().id.unwrap();

    let mut writers = FuturesUnordered::new();
    for writer in 0..120 {
        writers.push(write_slowly(&app, writer % 5 != 0));
        if writers.len() == 6 {
            writers.next().await;
        }
    }
    while writers.next().await.is_some() {}
    drop(writers);

    let mut seen: Vec<i64> = Vec::new();
    for _ in 0..96 {
        seen.push(live.next_of("worker_event").await.id.unwrap());
    }
    let written: Vec<i64> = sqlx::query_scalar("select id from events where id > $1 order by id")
        .bind(begin)
        .fetch_all(&app.app.database)
        .await
        .unwrap();
    assert_eq!(seen, written);
    app.stop().await;
}

#[tokio::test]
async fn only_open_transactions_that_write_events_delay_others() {
    let app = TestApp::start().await;
    let pool = &app.app.database;
    let visible_through = async || -> i64 {
        sqlx::query_scalar("select visible_through_id()")
            .fetch_one(pool)
            .await
            .unwrap()
    };
    let insert =
        "insert into events (kind, work_item_id, worker_id, body)
         values ('worker_event', gen_random_uuid(), gen_random_uuid(), '{\"type\": \"notice\", \"message\": \"\"}') returning id";
    let mut unrelated = pool.begin().await.unwrap();
    sqlx::query("create table unrelated ()")
        .execute(&mut *unrelated)
        .await
        .unwrap();

    let mut slow = pool.begin().await.unwrap();
    let early: i64 = sqlx::query_scalar(insert).fetch_one(&mut *slow).await.unwrap();
    let late: i64 = sqlx::query_scalar(insert).fetch_one(pool).await.unwrap();

    assert!(early < late);
    assert!(visible_through().await < early);
    slow.commit().await.unwrap();
    assert!(visible_through().await >= late);
    unrelated.rollback().await.unwrap();
    app.stop().await;
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_receives_the_number_of_dropped_events_and_delays_no_other() {
    const EVENTS: u64 = 20_000;
    let app = TestApp::start().await;
    let mut lazy = tokio::net::TcpStream::connect(app.addresses.api.socket_addrs(|| None).unwrap()[0])
        .await
        .unwrap();
    lazy.write_all(b"GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 12];
    lazy.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let mut eager = Watcher::of_all(&app).await;

    sqlx::query(
        "insert into events (kind, work_item_id, worker_id, body)
         select 'worker_event', gen_random_uuid(), gen_random_uuid(),
                jsonb_build_object('type', 'notice', 'message', repeat('x', 2000) || n)
         from generate_series(1, $1) as n",
    )
    .bind(i64::try_from(EVENTS).unwrap())
    .execute(&app.app.database)
    .await
    .unwrap();
    app.app.events.notify_changed();

    let mut received = 0;
    while received < EVENTS {
        let sent = eager.next().await.unwrap();
        received += match sent.kind.as_str() {
            "worker_event" => 1,
            // On a very busy machine this subscriber may lag, too.
            "lagged" => sent.data["droppedCount"].as_u64().unwrap(),
            _ => 0,
        };
    }
    assert_eq!(received, EVENTS);

    // It starts to read: the number of dropped events is reported, and later events arrive.
    let mut text = String::new();
    read_until(&mut lazy, &mut text, "\"droppedCount\":").await;
    let item = app.submit().await;
    read_until(&mut lazy, &mut text, &item.id.to_string()).await;
    let shown = text.matches("event: worker_event").count() as u64;
    let lost: Vec<u64> = text
        .match_indices("\"droppedCount\":")
        .map(|(index, name)| {
            let digits = text[index + name.len()..].split('}').next().unwrap();
            digits.parse().unwrap()
        })
        .collect();
    assert!(!lost.is_empty(), "{shown} events were shown");
    assert_eq!(shown + lost.iter().sum::<u64>(), EVENTS, "{lost:?}");
    app.stop().await;
}

async fn read_until(stream: &mut tokio::net::TcpStream, text: &mut String, end: &str) {
    let mut piece = vec![0; 1 << 20];
    while !text.contains(end) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(read, 0, "the stream continues");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
}

#[tokio::test]
async fn streams_end_when_the_orchestrator_stops() {
    let app = TestApp::start().await;
    let mut subscribers = Vec::new();
    for _ in 0..5 {
        subscribers.push(Watcher::of_all(&app).await);
    }
    let begin = std::time::Instant::now();
    app.stop().await;
    assert!(begin.elapsed() < Duration::from_secs(9));
    for mut subscriber in subscribers {
        while subscriber.next().await.is_some() {}
    }
}
