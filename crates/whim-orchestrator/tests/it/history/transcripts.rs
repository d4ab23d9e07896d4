//! Uploading and reading transcripts.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use whim_core::WorkItemId;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_orchestrator::reconcile::Partitions;
use whim_service::reconcile::Reconciler as _;

use super::{message, segment};
use crate::app::TestApp;
use crate::watcher::Watcher;
use crate::world::{TestWorker, World, complete, fail, request};

async fn upload(world: &World, worker: &TestWorker, body: &Value) -> Value {
    world.call(worker, "transcript", body).await.expect(200)
}

async fn page(world: &World, item: WorkItemId, query: &str) -> Value {
    let path = format!("/api/work/{item}/transcript?{query}");
    world.get(&path).await.expect(200)
}

fn numbers(page: &Value) -> Vec<u64> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_transcript_is_read_in_pages_as_it_was_written() {
    let world = World::new().await;
    let worker = world.running().await;
    for numbers in [1..=3, 4..=4, 5..=250] {
        let last = *numbers.end();
        let stored = upload(&world, &worker, &segment(numbers)).await;
        assert_eq!(stored, json!({ "lastNumber": last }));
    }

    let first = page(&world, worker.item, "limit=200").await;
    let second = page(&world, worker.item, "limit=200&after=200").await;
    let middle = page(&world, worker.item, "limit=3&after=2").await;

    let read: Vec<u64> = [numbers(&first), numbers(&second)].concat();
    assert_eq!(read, (1..=250).collect::<Vec<_>>());
    assert_eq!(
        (&first["nextCursor"], &second["nextCursor"]),
        (&json!(200), &Value::Null)
    );
    assert_eq!(
        (numbers(&middle), &middle["nextCursor"]),
        (vec![3, 4, 5], &json!(5))
    );
    assert_eq!(middle["items"][1], message(4));
    let extent = [
        "workItemId",
        "workerId",
        "leaseEpoch",
        "firstNumber",
        "lastNumber",
    ];
    assert_eq!(
        extent.map(|field| middle[field].clone()),
        [
            json!(worker.item),
            json!(worker.id),
            json!(1),
            json!(1),
            json!(250)
        ]
    );
    for query in [
        "after=250",
        "after=99999999999999999999",
        "after=18446744073709551615",
    ] {
        let path = format!("/api/work/{}/transcript?{query}", worker.item);
        let answer = world.get(&path).await;
        assert!(
            answer.status == 400 || answer.body["items"] == json!([]),
            "{query}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn each_kind_of_entry_is_returned_as_it_was_uploaded() {
    let world = World::new().await;
    let worker = world.running().await;
    let recorded: Value =
        serde_json::from_str(include_str!("../api/fixtures/protocol-1/transcript.json")).unwrap();
    let mut expected = recorded["entries"].clone();
    let stats = json!({ "tools": 1, "reads": 0, "writes": 0, "commands": 0, "costUsd": 0.0,
        "tokens": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 } });
    expected[7]["stats"] = stats;

    upload(&world, &worker, &recorded).await;

    assert_eq!(page(&world, worker.item, "").await["items"], expected);
}

#[tokio::test]
async fn what_is_sent_again_is_stored_once_and_the_rest_of_it_is_kept() {
    let world = World::new().await;
    let worker = world.running().await;
    upload(&world, &worker, &segment(1..=10)).await;

    assert_eq!(upload(&world, &worker, &segment(1..=10)).await["lastNumber"], 10);
    assert_eq!(upload(&world, &worker, &segment(3..=5)).await["lastNumber"], 10);
    // The worker was restarted in between, or the database is older than the worker knows.
    assert_eq!(upload(&world, &worker, &segment(8..=12)).await["lastNumber"], 12);
    assert_eq!(upload(&world, &worker, &segment(20..=21)).await["lastNumber"], 21);

    let read = numbers(&page(&world, worker.item, "").await);
    assert_eq!(read, (1..=12).chain(20..=21).collect::<Vec<_>>());
    let after_gap = page(&world, worker.item, "after=12&limit=1").await;
    assert_eq!(
        (numbers(&after_gap), &after_gap["nextCursor"]),
        (vec![20], &json!(20))
    );
}

#[tokio::test]
async fn concurrent_uploads_of_one_segment_store_it_once() {
    let world = World::new().await;
    let worker = world.running().await;
    let body = segment(1..=5);
    let uploads = (0..8).map(|_| world.call(&worker, "transcript", &body));
    for answer in futures::future::join_all(uploads).await {
        assert_eq!(answer.expect(200)["lastNumber"], 5);
    }
    assert_eq!(numbers(&page(&world, worker.item, "").await), [1, 2, 3, 4, 5]);
    assert_eq!(world.number("select count(*) from transcript_segments").await, 1);
}

#[tokio::test]
async fn attempts_have_transcripts_of_their_own_and_the_latest_is_the_default() {
    let world = World::new().await;
    let item = world.submit().await;
    let empty = page(&world, item, "").await;
    assert_eq!((&empty["items"], &empty["workerId"]), (&json!([]), &Value::Null));
    let first = world.start_worker().await;
    upload(&world, &first, &segment(1..=2)).await;
    world.call(&first, "fail", &fail("crash")).await.expect(200);
    world.release_due_retries().await;
    let second = world.start_worker().await;

    let latest = page(&world, item, "").await;
    assert_eq!((&latest["items"], &latest["leaseEpoch"]), (&json!([]), &json!(2)));
    assert_eq!(
        (&latest["firstNumber"], &latest["lastNumber"]),
        (&Value::Null, &json!(0))
    );
    upload(&world, &second, &segment(1..=1)).await;
    // The end of a transcript may arrive after the end of its attempt.
    upload(&world, &first, &segment(3..=4)).await;
    assert_eq!(numbers(&page(&world, item, "").await), [1]);
    assert_eq!(numbers(&page(&world, item, "attempt=1").await), [1, 2, 3, 4]);

    let unknown = world.get(&format!("/api/work/{item}/transcript?attempt=3")).await;
    assert_eq!(unknown.expect_error(404), "not_found");
    let unknown = world
        .get(&format!("/api/work/{}/transcript", WorkItemId::new()))
        .await;
    assert_eq!(unknown.expect_error(404), "not_found");
}

#[tokio::test]
async fn an_upload_changes_neither_the_item_nor_the_lease() {
    let world = World::new().await;
    let worker = world.running().await;
    const ROWS: &str = "select ('x' || left(md5(string_agg(t::text, ',')), 15))::bit(60)::bigint
        from (select b::text from worker_heartbeats b union all select w::text from workers w
              union all select i::text from work_items i) t";
    let before = world.number(ROWS).await;
    upload(&world, &worker, &segment(1..=5)).await;
    assert_eq!(world.number(ROWS).await, before);
    world.call(&worker, "complete", &complete()).await.expect(200);
    upload(&world, &worker, &segment(6..=7)).await;
    assert_eq!(world.status(worker.item).await, "completed");
    assert_eq!(page(&world, worker.item, "").await["lastNumber"], 7);
}

#[tokio::test]
async fn invalid_segments_are_refused_and_nothing_of_them_is_stored() {
    let world = World::new().await;
    let worker = world.running().await;
    let with = |change: fn(&mut Value)| {
        let mut body = segment(1..=3);
        change(&mut body["entries"]);
        body
    };
    for (body, field) in [
        (json!({ "entries": [] }), "entries"),
        (segment(0..=1), "entries"),
        (segment(1..=501), "entries"),
        (with(|entries| entries[1]["number"] = json!(7)), "entries"),
        (
            with(|entries| entries[1]["number"] = json!(-1)),
            "entries[1].number",
        ),
        (
            with(|entries| entries[0]["occurredAt"] = json!("now")),
            "entries[0].occurredAt",
        ),
        (json!({ "entries": [message(1)], "attempt": 2 }), "attempt"),
    ] {
        let refused = world.call(&worker, "transcript", &body).await;
        assert_eq!(refused.expect_refused_field(), field, "{body}");
    }
    let unknown_type = with(|entries| entries[0]["type"] = json!("thought"));
    world.call(&worker, "transcript", &unknown_type).await.expect(400);
    assert_eq!(world.number("select count(*) from transcript_segments").await, 0);
}

/// A compressed call of the worker.
async fn send(world: &World, worker: &TestWorker, encoding: &str, body: Vec<u8>) -> crate::world::Answer {
    let path = format!("/api/worker/{}/transcript", worker.id);
    let request = request(Method::POST, &path)
        .header("authorization", format!("Bearer {}", worker.token))
        .header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION)
        .header("content-type", "application/json")
        .header("content-encoding", encoding);
    world
        .send_as_worker(request.body(Body::from(body)).unwrap())
        .await
}

fn compressed(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

#[tokio::test]
async fn compressed_bodies_are_accepted_and_hostile_ones_refused() {
    let world = World::new().await;
    let worker = world.running().await;
    let body = segment(1..=200).to_string();
    let whole = compressed(body.as_bytes());
    assert!(whole.len() < body.len() / 10);

    send(&world, &worker, "zstd", whole.clone()).await.expect(200);
    assert_eq!(page(&world, worker.item, "").await["lastNumber"], 200);

    for (encoding, body, status) in [
        ("gzip", whole.clone(), 415),
        ("zstd", whole[..whole.len() / 2].to_vec(), 400),
        ("zstd", b"{}".to_vec(), 400),
        ("zstd", compressed(b"[1]"), 400),
        // 20 MB that are small when they arrive.
        ("zstd", compressed(&vec![b' '; 20_000_000]), 413),
        ("identity", vec![b' '; 2_000_000], 413),
    ] {
        let length = body.len();
        let answer = send(&world, &worker, encoding, body).await;
        assert_eq!(answer.status, status, "{encoding} {length}: {:#}", answer.body);
    }
}

#[tokio::test]
async fn a_transcript_has_a_maximum_size() {
    let world = World::new().await;
    let worker = world.running().await;
    let mut body = segment(1..=60);
    for entry in body["entries"].as_array_mut().unwrap() {
        entry["text"] = "x".repeat(20_000).into();
    }
    let too_large = send(&world, &worker, "zstd", compressed(body.to_string().as_bytes())).await;
    assert_eq!(too_large.expect_error(413), "too_large");
    upload(&world, &worker, &segment(1..=1)).await;
    sqlx::query("update transcripts set total_bytes = 64 * 1024 * 1024 - 100")
        .execute(&world.pool)
        .await
        .unwrap();
    let full = world.call(&worker, "transcript", &segment(2..=2)).await;
    assert_eq!(full.expect_error(413), "too_large");
    assert_eq!(page(&world, worker.item, "").await["lastNumber"], 1);
}

#[tokio::test]
async fn a_page_of_large_entries_ends_before_it_is_too_large() {
    let world = World::new().await;
    let worker = world.running().await;
    for first in [1, 51, 101, 151] {
        let mut body = segment(first..=first + 49);
        for entry in body["entries"].as_array_mut().unwrap() {
            entry["text"] = "🦀".repeat(4_000).into();
        }
        upload(&world, &worker, &body).await;
    }
    let (mut after, mut read) = (0, 0);
    while read < 200 {
        let page = page(&world, worker.item, &format!("limit=200&after={after}")).await;
        assert!(page.to_string().len() < 2_200_000);
        read += numbers(&page).len();
        after = page["nextCursor"].as_u64().unwrap_or(200);
    }
    assert_eq!((read, after), (200, 200));
}

#[tokio::test]
async fn hostile_text_is_returned_unchanged() {
    let world = World::new().await;
    let worker = world.running().await;
    let text = "<script>alert(1)</script> \u{0} \u{1b}[31m \u{202e} '; drop table events; -- 🦀\u{ffff}";
    let mut body = segment(1..=1);
    body["entries"][0]["text"] = json!(text);
    upload(&world, &worker, &body).await;
    assert_eq!(page(&world, worker.item, "").await["items"][0]["text"], text);
}

#[tokio::test]
async fn transcripts_beyond_the_retention_are_dropped_and_the_rest_stays_readable() {
    let world = World::with(&[("TRANSCRIPT_RETENTION_DAYS", "2")]).await;
    let worker = world.running().await;
    for number in 1..=4 {
        upload(&world, &worker, &segment(number..=number)).await;
    }
    sqlx::query("update workers set started_at = now() - interval '9 days'")
        .execute(&world.pool)
        .await
        .unwrap();
    sqlx::query(
        "update transcript_segments set recorded_at = now() - make_interval(days => 5 - first_number::int)",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    let report = Partitions(world.app.clone())
        .reconcile()
        .await
        .unwrap()
        .transcripts;

    // Of 4, 3, 2 and 1 days ago, the first two.
    assert_eq!(report.dropped.len(), 2, "{report:?}");
    let rest = page(&world, worker.item, "").await;
    assert_eq!((numbers(&rest), &rest["firstNumber"]), (vec![3, 4], &json!(3)));
    // What was dropped is not stored again.
    upload(&world, &worker, &segment(1..=5)).await;
    assert_eq!(numbers(&page(&world, worker.item, "").await), [3, 4, 5]);
}

#[tokio::test]
async fn subscribers_are_notified_once_for_a_burst() {
    let app = TestApp::start().await;
    let (item, worker) = app.running().await;
    let mut subscriber = Watcher::of_all(&app).await;
    for number in 1..=5 {
        let mut body = segment(number..=number);
        body["more"] = json!(number != 5);
        let (status, answer) = app.worker_call(worker, "transcript", &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let seen = subscriber.until(|sent| sent.data["lastNumber"] == 5).await;
    let transcripts: Vec<_> = seen.iter().filter(|sent| sent.kind == "transcript").collect();
    // The first one and the last one; others only if a second has passed.
    assert!((2..=3).contains(&transcripts.len()), "{transcripts:?}");
    let last = transcripts.last().unwrap();
    assert_eq!(
        (
            &last.data["workItemId"],
            &last.data["workerId"],
            &last.data["leaseEpoch"]
        ),
        (&json!(item.id), &json!(worker), &json!(1))
    );
    app.stop().await;
}
