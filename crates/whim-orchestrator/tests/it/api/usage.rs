//! Usage by day and repository.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};

use super::reviews::review;
use crate::world::{World, complete};

#[tokio::test]
async fn usage_is_summed_by_day_and_repository() {
    let world = World::new().await;
    let worker = world.running().await;
    let mut done = complete();
    done["stats"] = json!({ "tokens": { "input": 100, "output": 20, "cacheRead": 7 }, "costUsd": 0.5 });
    world.call(&worker, "complete", &done).await.expect(200);
    world.submit().await;
    sqlx::raw_sql(
        "insert into daily_usage (day, repo, requested_by, iterations, input_tokens, cost_usd)
         select (now() at time zone 'utc')::date - days, repo, who, 2, 10, 0.25
         from (values (1, 'octocat/other', 'ada'), (1, 'octocat/other', null), (1, 'octocat/hello', null),
                      (40, 'octocat/hello', null)) usage (days, repo, who);
         insert into work_items (id, repo, branch, status, priority, source, created_at, ended_at)
         values (gen_random_uuid(), 'Octocat/Other', 'old', 'failed', 'low', 'api', now() - interval '3 days',
                 now() - interval '1 day')",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    let report = world.get("/api/metrics/daily").await.expect(200);

    assert_eq!(report["truncated"], false);
    let (from, to) = (report["from"].as_str().unwrap(), report["to"].as_str().unwrap());
    assert_eq!(
        rows(&report, &["submitted", "completed", "failed", "iterations"]),
        [
            json!([0, "octocat/hello", 2, 1, 0, 2]),
            json!([1, "octocat/hello", 0, 0, 0, 2]),
            json!([1, "octocat/other", 0, 0, 1, 4]),
            json!([3, "octocat/other", 1, 0, 0, 0]),
        ]
    );
    assert_eq!(
        report["items"][0]["tokens"],
        json!({ "input": 100, "output": 20, "cacheRead": 7, "cacheWrite": 0 })
    );
    assert_eq!(
        (&report["items"][0]["costUsd"], &report["items"][2]["costUsd"]),
        (&json!(0.5), &json!(0.5))
    );

    let other = world
        .get(&format!(
            "/api/metrics/daily?from={from}&to={to}&repo=OCTOCAT/other"
        ))
        .await
        .expect(200);
    assert_eq!(other["items"].as_array().unwrap().len(), 2);
    let day = report["items"][1]["day"].as_str().unwrap();
    let one = world
        .get(&format!("/api/metrics/daily?from={day}&to={day}"))
        .await
        .expect(200);
    assert_eq!(one["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn durations_of_attempts_and_waits_in_the_queue_are_given_by_day() {
    let world = World::new().await;
    let worker = world.running().await;
    world.call(&worker, "complete", &complete()).await.expect(200);
    sqlx::query(
        "insert into workers (id, work_item_id, lease_epoch, status, token_hash, max_iterations, runtime, instance,
                              waited_seconds, started_at, ended_at)
         select gen_random_uuid(), w.work_item_id, epoch, ended::worker_status, sha256(epoch::text::bytea), 1, 'x', 'x', waited,
                noon - ran, noon
         from workers w,
              (select date_trunc('day', now(), 'utc') - interval '12 hours' as noon) yesterday,
              (values (2, 'completed', 10, interval '1 minute'), (3, 'completed', null, interval '3 minutes'),
                      (4, 'failed', 30, interval '1 hour')) attempts (epoch, ended, waited, ran)",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    let report = world.get("/api/metrics/daily").await.expect(200);

    let days = report["durations"].as_array().unwrap();
    assert_eq!(days.len(), 2, "{report:#}");
    let today = &days[0];
    assert_eq!(today["day"], report["to"]);
    for kind in ["attempts", "queueWait"] {
        assert!(today[kind]["medianSeconds"].as_f64() >= Some(0.0), "{today:#}");
    }
    let yesterday = &days[1];
    // The failed attempt has no duration, and the second attempt of the item no wait.
    assert_eq!(
        (&yesterday["attempts"], &yesterday["queueWait"]),
        (
            &json!({ "averageSeconds": 120.0, "medianSeconds": 120.0, "p95Seconds": 174.0 }),
            &json!({ "averageSeconds": 20.0, "medianSeconds": 20.0, "p95Seconds": 29.0 })
        )
    );
    let other = world
        .get("/api/metrics/daily?repo=octocat/other")
        .await
        .expect(200);
    assert_eq!(other["durations"], json!([]));
}

#[tokio::test]
async fn what_a_review_cost_counts_for_its_day_once() {
    let world = World::new().await;
    let worker = world.running().await;
    for status in [201, 200] {
        world.call(&worker, "review", &review(1)).await.expect(status);
    }

    let report = world.get("/api/metrics/daily").await.expect(200);

    let today = &report["items"][0];
    assert_eq!(
        (
            &today["costUsd"],
            &today["tokens"]["input"],
            &today["tokens"]["cacheRead"]
        ),
        (&json!(0.25), &json!(100), &json!(7))
    );
}

/// Days ago, repository, and these fields.
fn rows(report: &Value, fields: &[&str]) -> Vec<Value> {
    let day = |value: &Value| {
        let text = value.as_str().unwrap();
        chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap()
    };
    let items = report["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let age = (day(&report["to"]) - day(&item["day"])).num_days();
            let mut row = vec![json!(age), item["repo"].clone()];
            row.extend(fields.iter().map(|field| item[field].clone()));
            Value::from(row)
        })
        .collect()
}

#[tokio::test]
async fn ranges_are_bounded() {
    let world = World::new().await;
    let empty = world
        .get("/api/metrics/daily?from=2026-01-01&to=2026-12-31")
        .await
        .expect(200);
    assert_eq!(
        empty,
        json!({ "from": "2026-01-01", "to": "2026-12-31", "items": [], "truncated": false, "durations": [] })
    );
    for (query, field) in [
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("from=2024-01-01&to=2026-01-01", "from"),
        ("to=yesterday", "to"),
        ("repo=..", "repo"),
    ] {
        let refused = world.get(&format!("/api/metrics/daily?{query}")).await;
        assert_eq!(refused.expect_refused_field(), field, "{query}");
    }
}
