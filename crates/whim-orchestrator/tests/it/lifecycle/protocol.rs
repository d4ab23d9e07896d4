//! The worker protocol as a correct worker uses it.

use serde_json::json;

use crate::world::{HEAD, SPEC_DONE, SPEC_HALF_DONE, World, complete, fail};

/// The number of stored worker events.
const EVENTS: &str = "select count(*) from events where kind = 'worker_event'";

#[tokio::test]
async fn registration_returns_the_assignment() {
    let world = World::new().await;
    let item = world.submit().await;
    let worker = world.claim().await.expect("an item");
    assert_eq!(world.status(item).await, "assigned");

    let answer = world.register(&worker, "one").await.expect(200);

    insta::assert_json_snapshot!(answer, {
        ".workerId" => "[worker]", ".workItem.id" => "[item]", ".workItem.branch" => "[branch]",
    });
    assert_eq!(world.status(item).await, "in_progress");
    assert_eq!(
        world.register(&worker, "one").await.expect(200),
        answer,
        "the response may be lost"
    );
}

// docs/faults.md, row 21.
#[tokio::test]
async fn of_two_processes_that_register_as_one_worker_one_is_refused() {
    let world = World::new().await;
    world.submit().await;
    let worker = world.claim().await.expect("an item");

    let (one, two) = tokio::join!(world.register(&worker, "one"), world.register(&worker, "two"));

    let (winner, winners_nonce, loser) = if one.status == 200 {
        (one, "one", two)
    } else {
        (two, "two", one)
    };
    let answer = winner.expect(200);
    assert_eq!(loser.expect_error(409), "already_registered");
    assert_eq!(world.register(&worker, winners_nonce).await.expect(200), answer);
    assert_eq!(
        world.register(&worker, "three").await.expect_error(409),
        "already_registered"
    );
}

#[tokio::test]
async fn nothing_can_be_done_before_registering() {
    let world = World::new().await;
    let item = world.submit().await;
    let worker = world.claim().await.expect("an item");
    for (route, body) in [
        ("heartbeat", json!({ "seq": 1 })),
        ("lock", json!({ "files": ["a"] })),
        ("unlock", json!({ "files": ["a"] })),
        ("complete", complete()),
        ("fail", fail("crash")),
        ("stuck", json!({ "reason": "x" })),
    ] {
        assert_eq!(world.call(&worker, route, &body).await.status, 409, "{route}");
    }
    assert_eq!(world.status(item).await, "assigned");
}

#[tokio::test]
async fn a_heartbeat_renews_the_lease_and_shows_what_the_worker_does() {
    let world = World::new().await;
    let worker = world.running().await;
    sqlx::query(
        "update worker_heartbeats set lease_expires_at = now(), progress_at = now() - interval '1 hour'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let lease = "select extract(epoch from lease_expires_at - now())::bigint from worker_heartbeats";
    let idle = "select extract(epoch from now() - progress_at)::bigint from worker_heartbeats";

    let quiet = json!({ "seq": 1 });
    assert_eq!(
        world.call(&worker, "heartbeat", &quiet).await.expect(200),
        json!({ "leaseSeconds": 300, "noteCount": 0 })
    );
    assert!(world.number(lease).await > 290);
    assert!(
        world.number(idle).await > 3500,
        "a heartbeat alone is not progress"
    );

    let stats = json!({ "tools": 3, "reads": 1, "writes": 1, "commands": 1, "costUsd": 0.25,
        "tokens": { "input": 10, "output": 5, "cacheRead": 2, "cacheWrite": 1 } });
    let event =
        json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": "a NUL \0 of an agent" });
    let heartbeat =
        json!({ "seq": 2, "iteration": 2, "stage": "working", "stats": stats, "events": [event] });
    world.call(&worker, "heartbeat", &heartbeat).await.expect(200);
    let sparse = json!({ "seq": 3 });
    world.call(&worker, "heartbeat", &sparse).await.expect(200);

    assert!(world.number(idle).await < 60, "an event is progress");
    let shown = world.get("/api/workers").await.expect(200)["items"][0].clone();
    assert_eq!(
        (&shown["stage"], &shown["iteration"], &shown["stats"]),
        (&json!("working"), &json!(2), &stats)
    );
    let item = world.item(worker.item).await;
    assert_eq!(
        (&item["stage"], &item["iteration"]),
        (&json!("working"), &json!(2))
    );
    assert_eq!(world.number(EVENTS).await, 1);
    assert_eq!(world.number("select count(*) from worker_iterations").await, 2);
}

// docs/faults.md, row 14: the digest of a tool call includes the command.
#[tokio::test]
async fn a_new_command_is_progress_and_a_repeated_one_is_not() {
    let world = World::new().await;
    let worker = world.running().await;
    let idle = "select extract(epoch from now() - progress_at)::bigint from worker_heartbeats";
    let commands = [
        ("00aa", true),
        ("00bb", true),
        ("00aa", false),
        ("00bb", false),
        ("00cc", true),
    ];
    for (seq, (digest, is_progress)) in (1..).zip(commands) {
        sqlx::query("update worker_heartbeats set progress_at = now() - interval '1 hour'")
            .execute(&world.pool)
            .await
            .unwrap();
        let tool = json!({ "event": "tool", "type": "bash", "digest": digest });
        let event = json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "ralph", "event": tool });
        let heartbeat = json!({ "seq": seq, "events": [event] });
        world.call(&worker, "heartbeat", &heartbeat).await.expect(200);
        assert_eq!(world.number(idle).await < 3500, is_progress, "heartbeat {seq}");
    }
}

#[tokio::test]
async fn a_repeated_or_late_heartbeat_only_renews_the_lease() {
    let world = World::new().await;
    let worker = world.running().await;
    let event = json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": "hello" });
    let new = json!({ "seq": 5, "iteration": 3, "stage": "testing", "events": [event],
        "spec": SPEC_DONE, "headSha": HEAD });
    world.call(&worker, "heartbeat", &new).await.expect(200);

    let late = json!({ "seq": 4, "iteration": 9, "stage": "working", "events": [event, event],
        "spec": SPEC_HALF_DONE, "headSha": HEAD });
    for body in [&new, &late, &new] {
        world.call(&worker, "heartbeat", body).await.expect(200);
    }

    let item = world.item(worker.item).await;
    assert_eq!(
        (&item["stage"], &item["iteration"], &item["tasksDone"]),
        (&json!("testing"), &json!(3), &json!(2))
    );
    assert_eq!(world.number(EVENTS).await, 1);
    assert_eq!(world.number("select count(*) from worker_iterations").await, 3);
}

#[tokio::test]
async fn iterations_count_once_and_never_more_than_the_worker_may_use() {
    let world = World::new().await;
    let worker = world.running().await;
    let used = async || {
        let status = world.get("/api/status").await.expect(200);
        (
            status["budget"]["used"].as_u64().unwrap(),
            status["budget"]["reserved"].as_u64().unwrap(),
        )
    };
    assert_eq!(used().await, (0, 10), "its whole allowance is reserved");
    for (seq, iteration) in [(1, 1), (2, 3), (3, 3), (4, 4_000_000_000_u32)] {
        let heartbeat = json!({ "seq": seq, "iteration": iteration });
        world.call(&worker, "heartbeat", &heartbeat).await.expect(200);
        let expected = u64::from(iteration.min(10));
        assert_eq!(used().await, (expected, 10 - expected));
    }
    world.call(&worker, "complete", &complete()).await.expect(200);
    assert_eq!(used().await, (10, 0));
}

#[tokio::test]
async fn iterations_that_an_ended_worker_did_not_use_are_released() {
    let world = World::new().await;
    let worker = world.running().await;
    world.call(&worker, "complete", &complete()).await.expect(200);
    let budget = world.get("/api/status").await.expect(200)["budget"].clone();
    assert_eq!(
        (&budget["used"], &budget["reserved"], &budget["remaining"]),
        (&json!(2), &json!(0), &json!(198))
    );
}

// docs/faults.md, row 24, the orchestrator's part.
#[tokio::test]
async fn the_next_attempt_resumes_from_the_ticks_and_the_head_that_belongs_to_them() {
    let world = World::new().await;
    let worker = world.running().await;
    let refused = world
        .call(&worker, "heartbeat", &json!({ "seq": 1, "spec": SPEC_HALF_DONE }))
        .await;
    assert_eq!(refused.expect_refused_field(), "headSha");
    let progress = json!({ "seq": 1, "spec": SPEC_HALF_DONE, "headSha": HEAD });
    world.call(&worker, "heartbeat", &progress).await.expect(200);
    assert_eq!(world.item(worker.item).await["tasksDone"], 1);
    // A head without a spec does not belong to the ticks.
    let pushed = json!({ "seq": 2, "headSha": "2".repeat(40) });
    world.call(&worker, "heartbeat", &pushed).await.expect(200);
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    world.release_due_retries().await;

    let next = world.claim().await.expect("the same item");
    let task = world.register(&next, "n").await.expect(200)["workItem"].clone();

    assert_eq!(
        (&task["id"], &task["spec"]),
        (&json!(worker.item), &json!(SPEC_HALF_DONE))
    );
    assert_eq!(
        (&task["headSha"], &task["attempt"], &task["leaseEpoch"]),
        (&json!(HEAD), &json!(2), &json!(2))
    );
}

#[tokio::test]
async fn locks_are_granted_all_or_nothing_and_released_with_their_worker() {
    let world = World::new().await;
    let (one, two) = (world.running().await, world.running().await);
    let lock = |files: &[&str]| json!({ "files": files });
    assert_eq!(
        world.call(&one, "lock", &lock(&["a", "./b"])).await.expect(200)["files"],
        json!(["a", "b"])
    );
    world.call(&one, "lock", &lock(&["a"])).await.expect(200);

    let refused = world
        .call(&two, "lock", &lock(&["c", "b", "a"]))
        .await
        .expect(409);
    assert_eq!(refused["code"], "lock_held");
    let holder = world.item(one.item).await;
    let conflict = |file: &str| json!({ "file": file, "workerId": one.id, "workItemId": one.item, "branch": holder["branch"] });
    assert_eq!(
        refused["details"]["conflicts"],
        json!([conflict("b"), conflict("a")])
    );
    world.call(&one, "lock", &lock(&["c"])).await.expect(200);

    assert_eq!(
        world
            .call(&one, "unlock", &lock(&["a", "never-locked"]))
            .await
            .status,
        204
    );
    world.call(&two, "lock", &lock(&["a"])).await.expect(200);
    world.call(&one, "fail", &fail("crash")).await.expect(200);
    world.call(&two, "lock", &lock(&["b", "c"])).await.expect(200);

    assert_eq!(
        world.call(&two, "lock", &lock(&[])).await.expect_refused_field(),
        "files"
    );
    assert!(
        world
            .call(&two, "lock", &lock(&["../x"]))
            .await
            .expect_refused_field()
            .starts_with("files")
    );
}
