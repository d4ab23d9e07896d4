//! docs/faults.md, row 46: workers of another release.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use whim_core::WorkItemStatus;
use whim_core::protocol::PROTOCOL_VERSION;

use crate::app::TestApp;
use crate::world::{TestWorker, World, worker_request};

/// What workers of the first version send; `fixtures/protocol-1/README.md` says what these files are.
const REQUESTS: [(&str, &str); 11] = [
    ("register", include_str!("fixtures/protocol-1/register.json")),
    ("heartbeat", include_str!("fixtures/protocol-1/heartbeat.json")),
    ("lock", include_str!("fixtures/protocol-1/lock.json")),
    ("unlock", include_str!("fixtures/protocol-1/unlock.json")),
    ("preflight", include_str!("fixtures/protocol-1/preflight.json")),
    ("review", include_str!("fixtures/protocol-1/review.json")),
    ("transcript", include_str!("fixtures/protocol-1/transcript.json")),
    ("diff", include_str!("fixtures/protocol-1/diff.json")),
    ("complete", include_str!("fixtures/protocol-1/complete.json")),
    ("fail", include_str!("fixtures/protocol-1/fail.json")),
    ("stuck", include_str!("fixtures/protocol-1/stuck.json")),
];

fn recorded(route: &str, worker: &TestWorker) -> Value {
    let (_, text) = REQUESTS.iter().find(|(name, _)| *name == route).unwrap();
    serde_json::from_str(&text.replace("WORKER", &worker.id.to_string())).unwrap()
}

async fn play(world: &World, worker: &TestWorker, version: &str, route: &str) -> crate::world::Answer {
    let path = match route {
        "register" => "/api/worker/register".to_owned(),
        route => format!("/api/worker/{}/{route}", worker.id),
    };
    let mut call = worker_request(&path, &worker.token, &recorded(route, worker));
    let version = version.parse().unwrap();
    call.headers_mut().insert("x-whim-protocol", version);
    world.send_as_worker(call).await
}

#[tokio::test]
async fn requests_of_workers_of_the_first_release_are_accepted() {
    assert_eq!(PROTOCOL_VERSION, 1, "add the fixtures of the new version");
    for (end, status) in [("complete", "completed"), ("fail", "queued"), ("stuck", "queued")] {
        let world = World::new().await;
        world.submit().await;
        let worker = world.claim().await.unwrap();
        for (route, answer) in [
            ("register", 200),
            ("heartbeat", 200),
            ("lock", 200),
            ("unlock", 204),
            ("preflight", 204),
            ("review", 201),
            ("transcript", 200),
            ("diff", 200),
            (end, 200),
        ] {
            let answered = play(&world, &worker, "1", route).await;
            assert_eq!(answered.status, answer, "{route}: {:#}", answered.body);
        }
        assert_eq!(world.status(worker.item).await, status, "{end}");
        assert_eq!(
            world
                .number("select count(*) from events where kind = 'worker_event'")
                .await,
            6
        );
        assert_eq!(world.item(worker.item).await["tasksTotal"], 2);
    }
}

#[tokio::test]
async fn an_unsupported_version_is_refused_on_every_route_and_changes_nothing() {
    let world = World::new().await;
    let worker = world.running().await;
    const ROWS: &str = "select ('x' || left(md5(string_agg(t::text, ',')), 15))::bit(60)::bigint
        from (select b::text from worker_heartbeats b union all select w::text from workers w
              union all select i::text from work_items i) t";
    let before = world.number(ROWS).await;
    for version in ["0", "2", "1.0", "one", "", "01 "] {
        for (route, _) in REQUESTS {
            let refused = play(&world, &worker, version, route).await.expect(426);
            assert_eq!(refused["code"], "unknown_protocol");
            assert_eq!(refused["details"]["supported"], json!([1]), "{route}");
            let text = refused["error"].as_str().unwrap();
            assert!(
                text.contains("version 1") && text.contains("same release"),
                "{text}"
            );
        }
    }
    assert_eq!(world.number(ROWS).await, before);
}

#[tokio::test]
async fn an_item_of_a_worker_with_an_unsupported_version_continues_with_another_worker() {
    let app = TestApp::with(&[("STALE_THRESHOLD", "2"), ("HEARTBEAT_INTERVAL_SECONDS", "0.5")]).await;
    let (item, old) = app.running().await;
    let url = app
        .addresses
        .worker_api
        .join(&format!("/api/worker/{old}/heartbeat"))
        .unwrap();

    // It keeps retrying, as if the orchestrator were unavailable.
    let new = app.wait_for(item.id, "the item to have another worker", |item| {
        item.worker_id.is_some_and(|worker| worker != old)
    });
    let asks = async {
        for _ in 0..1_000_000 {
            let heartbeat = app.http.post(url.clone()).bearer_auth(app.runtime.token(old));
            let refused = heartbeat
                .header("x-whim-protocol", "0")
                .json(&json!({ "seq": 1 }));
            assert_eq!(refused.send().await.unwrap().status(), 426);
            tokio::task::yield_now().await;
        }
    };
    let item = tokio::select! {
        item = new => item,
        () = asks => panic!("the item stayed with a worker of an unsupported version"),
    };

    assert_eq!(item.lease_epoch.number(), 2);
    let worker = app.wait_for_worker(item.id).await;
    app.register(worker).await;
    app.wait_for_status(item.id, WorkItemStatus::InProgress).await;
    app.stop().await;
}
