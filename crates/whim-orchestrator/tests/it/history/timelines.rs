//! Timelines of items.

use serde_json::{Value, json};
use whim_core::WorkItemId;

use super::segment;
use crate::api::reviews::review;
use crate::world::{HEAD, World, complete, fail};

fn event(second: u32, body: Value) -> Value {
    let mut event = body;
    event["occurredAt"] = json!(format!("2026-11-20T12:00:{second:02}Z"));
    event
}

fn ralph(second: u32, body: Value) -> Value {
    event(second, json!({ "type": "ralph", "event": body }))
}

/// The course of an attempt with two iterations.
fn course() -> Value {
    let stats = json!({ "tools": 2, "cost_usd": 0.25, "tokens": { "in": 10, "out": 5 } });
    json!({ "seq": 1, "iteration": 2, "stats": { "costUsd": 0.5 }, "events": [
        event(0, json!({ "type": "stage", "stage": "preparing" })),
        event(5, json!({ "type": "stage", "stage": "working" })),
        ralph(6, json!({ "event": "started", "spec": "SPEC.md", "tasks": 2, "timestamp": "2026-11-20T12:00:06Z" })),
        ralph(7, json!({ "event": "iteration", "n": 1, "phase": "starting" })),
        ralph(7, json!({ "event": "iteration", "n": 1, "phase": "running" })),
        ralph(8, json!({ "event": "tool", "type": "write", "path": "a.js" })),
        ralph(9, json!({ "event": "commit", "hash": HEAD, "message": "Add a greeting" })),
        event(10, json!({ "type": "pushed", "headSha": HEAD })),
        ralph(11, json!({ "event": "iteration_done", "n": 1, "duration_ms": 4000, "stats": stats })),
        ralph(12, json!({ "event": "iteration", "n": 2, "phase": "starting" })),
        event(20, json!({ "type": "stage", "stage": "testing" })),
        event(30, json!({ "type": "pull_request", "url": "https://github.com/octocat/hello/pull/7", "number": 7 })),
    ] })
}

async fn timeline(world: &World, item: WorkItemId, query: &str) -> Value {
    world
        .get(&format!("/api/work/{item}/timeline?{query}"))
        .await
        .expect(200)
}

#[tokio::test]
async fn an_attempt_has_its_stages_iterations_commits_reviews_and_cost() {
    let world = World::new().await;
    let worker = world.running().await;
    world.call(&worker, "heartbeat", &course()).await.expect(200);
    world.call(&worker, "review", &review(1)).await.expect(201);
    world
        .call(&worker, "transcript", &segment(1..=4))
        .await
        .expect(200);
    let mut end = complete();
    end["stats"] = json!({ "costUsd": 0.5 });
    end["tests"] = json!({ "command": "npm test", "passed": true, "testsPassed": 3, "durationMs": 900 });
    world.call(&worker, "complete", &end).await.expect(200);

    let timeline = timeline(&world, worker.item, "").await;

    let attempt = &timeline["items"][0];
    assert_eq!(timeline["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&attempt["workerId"], &attempt["leaseEpoch"], &attempt["status"]),
        (&json!(worker.id), &json!(1), &json!("completed"))
    );
    let stages: Vec<(&str, &Value)> = attempt["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| (stage["stage"].as_str().unwrap(), &stage["endedAt"]))
        .collect();
    assert_eq!(
        stages,
        [
            ("preparing", &json!("2026-11-20T12:00:05Z")),
            ("working", &json!("2026-11-20T12:00:20Z")),
            ("testing", &attempt["endedAt"]),
        ]
    );
    let iterations = &attempt["iterations"];
    assert_eq!(iterations[0]["startedAt"], "2026-11-20T12:00:07Z");
    assert_eq!(iterations[0]["endedAt"], "2026-11-20T12:00:11Z");
    assert_eq!(
        (&iterations[0]["durationMs"], &iterations[0]["stats"]["costUsd"]),
        (&json!(4000), &json!(0.25))
    );
    assert_eq!(
        (&iterations[1]["number"], &iterations[1]["stats"]),
        (&json!(2), &Value::Null)
    );
    let commit = json!({ "hash": HEAD, "message": "Add a greeting", "occurredAt": "2026-11-20T12:00:09Z" });
    assert_eq!(attempt["commits"], json!([commit]));
    assert_eq!(
        attempt["pushes"],
        json!([{ "headSha": HEAD, "occurredAt": "2026-11-20T12:00:10Z" }])
    );
    assert_eq!(attempt["tests"]["command"], "npm test");
    assert_eq!(attempt["pullRequest"]["number"], 7);
    assert_eq!(attempt["reviews"][0]["verdict"], "changes_requested");
    assert_eq!(attempt["reviews"][0].get("findings"), None);
    assert_eq!(
        attempt["cost"],
        json!({ "workingUsd": 0.5, "reviewingUsd": 0.25, "totalUsd": 0.75 })
    );
    assert_eq!(
        (&attempt["transcriptEntries"], &attempt["isIncomplete"]),
        (&json!(4), &json!(false))
    );
}

#[tokio::test]
async fn attempts_are_listed_newest_first_in_pages() {
    let world = World::new().await;
    let item = world.submit().await;
    for _ in 0..3 {
        let worker = world.start_worker().await;
        world.call(&worker, "fail", &fail("crash")).await.expect(200);
        world.release_due_retries().await;
    }
    let epochs = |page: &Value| -> Vec<i64> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["leaseEpoch"].as_i64().unwrap()).collect()
    };
    let first = timeline(&world, item, "limit=2").await;
    let last = timeline(&world, item, "limit=2&cursor=2").await;
    assert_eq!((epochs(&first), &first["nextCursor"]), (vec![3, 2], &json!(2)));
    assert_eq!((epochs(&last), &last["nextCursor"]), (vec![1], &Value::Null));
    assert_eq!(first["items"][0]["failureCause"], "crash");
    assert_eq!(first["items"][0]["error"], "it broke");
    let refused = world.get(&format!("/api/work/{item}/timeline?limit=51")).await;
    assert_eq!(refused.expect_refused_field(), "limit");
    let unknown = world
        .get(&format!("/api/work/{}/timeline", WorkItemId::new()))
        .await;
    assert_eq!(unknown.expect_error(404), "not_found");
}

#[tokio::test]
async fn an_attempt_whose_events_are_beyond_the_retention_is_marked() {
    let world = World::with(&[("EVENT_RETENTION_DAYS", "2")]).await;
    let worker = world.running().await;
    sqlx::query("update workers set started_at = now() - interval '4 days'")
        .execute(&world.pool)
        .await
        .unwrap();
    let timeline = timeline(&world, worker.item, "").await;
    assert_eq!(timeline["items"][0]["isIncomplete"], true);
}

#[tokio::test]
async fn of_very_many_commits_the_first_are_shown_and_the_attempt_is_marked() {
    let world = World::new().await;
    let worker = world.running().await;
    for seq in 1..=3 {
        let commits: Vec<Value> = (0..400)
            .map(|_| {
                ralph(
                    1,
                    json!({ "event": "commit", "hash": HEAD, "message": "One more" }),
                )
            })
            .collect();
        world
            .call(&worker, "heartbeat", &json!({ "seq": seq, "events": commits }))
            .await
            .expect(200);
    }
    let timeline = timeline(&world, worker.item, "").await;
    let attempt = &timeline["items"][0];
    assert_eq!(attempt["commits"].as_array().unwrap().len(), 1000);
    assert_eq!(attempt["isIncomplete"], true);
}
