//! Today's metrics and worker logs.

use axum::body::{Body, to_bytes};
use axum::http::Method;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use whim_core::WorkerId;
use whim_orchestrator::http::api_router;
use whim_testkit::wait::wait_until;

use crate::app::PATIENCE;
use crate::world::{World, complete, fail, request};

#[tokio::test]
async fn metrics_have_todays_counts_rate_durations_tokens_and_cost() {
    let world = World::new().await;
    let empty = world.get("/api/metrics").await.expect(200);
    assert_eq!(
        (&empty["submitted"], &empty["successRate"], &empty["costUsd"]),
        (&json!(0), &Value::Null, &json!(0.0))
    );
    assert_eq!(empty["durations"]["medianSeconds"], Value::Null);

    let first = world.running().await;
    let mut done = complete();
    done["stats"] = json!({ "tokens": { "input": 100, "output": 20, "cacheRead": 7 }, "costUsd": 0.5 });
    world.call(&first, "complete", &done).await.expect(200);
    let second = world.running().await;
    world
        .call(&second, "fail", &fail("iterations_used_up"))
        .await
        .expect(200);
    let third = world.submit().await;
    world
        .post(&format!("/api/work/{third}/cancel"), &json!({}))
        .await
        .expect(200);
    // Of the previous day: not counted.
    sqlx::query(
        "insert into work_items (id, repo, branch, status, priority, source, created_at, ended_at, pr_url)
         values (gen_random_uuid(), 'octocat/hello', 'old', 'completed', 'low', 'api', now() - interval '2 days',
                 now() - interval '25 hours', 'https://github.com/octocat/hello/pull/1')",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    // The first answer is returned again for a second.
    let today = wait_until("the new counts", PATIENCE, async || {
        let today = world.get("/api/metrics").await.expect(200);
        if today["submitted"] == 3 {
            Ok(today)
        } else {
            Err(today)
        }
    })
    .await
    .unwrap();
    let counts = ["submitted", "completed", "failed", "cancelled"].map(|name| today[name].as_u64());
    assert_eq!(counts, [Some(3), Some(1), Some(1), Some(1)], "{today:#}");
    assert_eq!(today["successRate"], 0.5);
    assert_eq!(today["iterations"], 3);
    assert!(
        today["durations"]["p95Seconds"].as_f64().unwrap() >= 0.0,
        "{today:#}"
    );
    assert_eq!(
        today["tokens"],
        json!({ "input": 100, "output": 20, "cacheRead": 7, "cacheWrite": 0 })
    );
    assert_eq!(today["costUsd"], 0.5);
}

#[tokio::test]
async fn the_last_lines_of_a_worker_are_shown_as_plain_text() {
    let world = World::new().await;
    let worker = world.running().await;
    let path = format!("/api/workers/{}/logs?lines=2", worker.id);
    let request = request(Method::GET, &path).body(Body::empty()).unwrap();
    let response = api_router(world.app.clone()).oneshot(request).await.unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(text, "two\n<three>\n");
}

// docs/attacks.md, row 37.
#[tokio::test]
async fn logs_are_served_for_identifiers_of_workers_only() {
    let world = World::new().await;
    let id = world.running().await.id;
    for lines in ["0", "5001", "-1", "x"] {
        let refused = world.get(&format!("/api/workers/{id}/logs?lines={lines}")).await;
        assert_eq!(refused.expect_refused_field(), "lines");
    }
    for name in ["..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "C:%5Cwindows"] {
        let refused = world.get(&format!("/api/workers/{name}/logs")).await;
        assert_eq!(refused.expect_refused_field(), "id", "{name}");
    }
    let unknown = world.get(&format!("/api/workers/{}/logs", WorkerId::new())).await;
    assert_eq!(unknown.expect_error(404), "not_found");
}
