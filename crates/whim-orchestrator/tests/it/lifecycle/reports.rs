//! Final reports of workers.

use serde_json::{Value, json};

use crate::world::{SPEC_DONE, World, complete, fail};

// docs/faults.md, row 18.
#[tokio::test]
async fn complete_sent_twice_gets_the_same_response_twice() {
    let world = World::new().await;
    let worker = world.running().await;

    let answer = world.call(&worker, "complete", &complete()).await.expect(200);
    let item = world.item(worker.item).await;
    assert_eq!(
        world.call(&worker, "complete", &complete()).await.expect(200),
        answer
    );

    assert_eq!(answer, json!({ "status": "completed", "nextRetryAt": null }));
    assert_eq!(world.item(worker.item).await, item);
    assert_eq!(
        (&item["status"], &item["prNumber"]),
        (&json!("completed"), &json!(7))
    );
    assert_eq!(
        (&item["prUrl"], &item["spec"]),
        (
            &json!("https://github.com/octocat/hello/pull/7"),
            &json!(SPEC_DONE)
        )
    );
    assert_eq!((&item["tasksDone"], &item["error"]), (&json!(2), &Value::Null));
    let refused = world.call(&worker, "fail", &fail("crash")).await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["details"]["status"]),
        (&json!("wrong_state"), &json!("completed"))
    );
}

#[tokio::test]
async fn fail_sent_twice_gets_the_same_response_twice_even_when_the_next_attempt_runs() {
    let world = World::new().await;
    let worker = world.running().await;
    let answer = world.call(&worker, "fail", &fail("crash")).await.expect(200);
    assert_eq!(answer["status"], "queued");
    world.release_due_retries().await;
    let next = world.start_worker().await;

    assert_eq!(
        world.call(&worker, "fail", &fail("crash")).await.expect(200),
        answer
    );

    let item = world.item(next.item).await;
    assert_eq!(
        (&item["status"], &item["retries"]),
        (&json!("in_progress"), &json!(1))
    );
}

#[tokio::test]
async fn the_cause_decides_how_often_an_item_is_tried_again() {
    let world = World::new().await;
    for (cause, attempts, retries) in [
        ("crash", 4, 3),
        ("resources", 4, 3),
        ("tests_failed", 2, 1),
        ("stuck", 2, 1),
        ("push_refused", 1, 0),
        ("tool_missing", 1, 0),
        ("iterations_used_up", 1, 0),
    ] {
        let mut worker = world.running().await;
        for attempt in 1.. {
            let ended = world.call(&worker, "fail", &fail(cause)).await.expect(200);
            if ended["status"] == "failed" {
                assert_eq!(
                    (attempt, &ended["nextRetryAt"]),
                    (attempts, &Value::Null),
                    "{cause}"
                );
                break;
            }
            assert_eq!(ended["status"], "queued");
            assert_ne!(ended["nextRetryAt"], Value::Null);
            assert!(world.claim().await.is_none(), "it waits");
            world.release_due_retries().await;
            worker = world.start_worker().await;
        }
        let item = world.item(worker.item).await;
        assert_eq!(
            (&item["retries"], &item["maxRetries"]),
            (&json!(retries), &json!(3)),
            "{cause}"
        );
        assert_eq!(
            (&item["failureCause"], &item["error"]),
            (&json!(cause), &json!("it broke"))
        );
    }
}

#[tokio::test]
async fn each_cause_has_its_own_retries() {
    let world = World::new().await;
    let mut worker = world.running().await;
    for (cause, status, retries) in [
        ("crash", "queued", 1),
        ("crash", "queued", 2),
        // The first failure of each cause, whatever failed before.
        ("tests_failed", "queued", 3),
        ("stuck", "queued", 4),
        ("resources", "queued", 5),
        ("crash", "queued", 6),
        ("tests_failed", "failed", 6),
    ] {
        let ended = world.call(&worker, "fail", &fail(cause)).await.expect(200);
        let item = world.item(worker.item).await;
        assert_eq!(
            (&ended["status"], &item["retries"]),
            (&json!(status), &json!(retries)),
            "{cause}"
        );
        if status == "queued" {
            world.release_due_retries().await;
            worker = world.start_worker().await;
        }
    }
}

#[tokio::test]
async fn a_requeued_item_has_all_retries_again() {
    let world = World::new().await;
    let mut worker = world.running().await;
    for run in 1..=2 {
        for status in ["queued", "failed"] {
            let report = fail("tests_failed");
            let ended = world.call(&worker, "fail", &report).await.expect(200);
            assert_eq!(ended["status"], status, "run {run}");
            if status == "failed" {
                let requeue = format!("/api/work/{}/requeue", worker.item);
                world.post(&requeue, &json!({})).await.expect(200);
            }
            world.release_due_retries().await;
            worker = world.start_worker().await;
        }
    }
}

#[tokio::test]
async fn an_unavailable_model_api_spends_no_retry_and_opens_the_breaker_for_as_long_as_it_says() {
    let world = World::new().await;
    let mut worker = world.running().await;
    for _ in 0..6 {
        let mut report = fail("model_unavailable");
        report["retryAfterSeconds"] = json!(7200);
        let ended = world.call(&worker, "fail", &report).await.expect(200);
        assert_eq!(ended["status"], "queued");
        let breaker_seconds = world
            .number("select extract(epoch from retry_at - now())::bigint from breakers")
            .await;
        assert!((7100..=7260).contains(&breaker_seconds), "{breaker_seconds}");
        // Its backoff ends before that; the open breaker blocks it until then.
        let wait = world
            .number("select extract(epoch from next_retry_at - now())::bigint from work_items")
            .await;
        assert!((-1..=breaker_seconds).contains(&wait), "{wait}");
        world.release_due_retries().await;
        worker = world.start_worker().await;
    }
    assert_eq!(world.item(worker.item).await["retries"], 0);
}

#[tokio::test]
async fn a_stuck_worker_keeps_its_reason() {
    let world = World::new().await;
    let worker = world.running().await;
    let report =
        json!({ "reason": "The tests need a database.", "iterationsWithoutProgress": 3, "iterations": 4 });

    let ended = world.call(&worker, "stuck", &report).await.expect(200);

    assert_eq!(ended["status"], "queued");
    let item = world.item(worker.item).await;
    assert_eq!(
        (&item["error"], &item["failureCause"]),
        (&json!("The tests need a database."), &json!("stuck"))
    );
    let shown = world.get("/api/workers").await.expect(200)["items"][0].clone();
    assert_eq!(
        (&shown["status"], &shown["iteration"]),
        (&json!("stuck"), &json!(4))
    );
    assert_eq!(world.call(&worker, "stuck", &report).await.expect(200), ended);
}

#[tokio::test]
async fn no_reason_of_an_agent_makes_its_report_fail() {
    let world = World::new().await;
    for reason in [
        "\0".to_owned(),
        String::new(),
        "é".repeat(20_000),
        "\u{202e}\u{e0041}".to_owned(),
    ] {
        let worker = world.running().await;
        let report = json!({ "cause": "push_refused", "reason": reason });
        world.call(&worker, "fail", &report).await.expect(200);
        let kept = world.item(worker.item).await["error"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            !kept.is_empty() && kept.len() <= 16 * 1024 + 3,
            "{} bytes",
            kept.len()
        );
    }
}

#[tokio::test]
async fn the_url_of_a_pull_request_must_be_http_or_https() {
    let world = World::new().await;
    let worker = world.running().await;
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "octocat/hello/pull/7",
        "",
        "http://",
    ] {
        let mut report = complete();
        report["prUrl"] = json!(url);
        assert_eq!(
            world
                .call(&worker, "complete", &report)
                .await
                .expect_refused_field(),
            "prUrl",
            "{url}"
        );
    }
}
