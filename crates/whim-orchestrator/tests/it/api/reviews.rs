//! Reviews: reported by workers, listed for people.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use whim_core::ReviewId;

use crate::world::{HEAD, TestWorker, World, complete, request, with_json};

/// A review with one finding of each severity.
pub(crate) fn review(number: u32) -> Value {
    json!({
        "round": number,
        "headSha": HEAD,
        "verdict": "changes_requested",
        "summary": "The greeting ignores the name.",
        "findings": [
            { "path": "./src//greet.rs", "line": 7, "severity": "error", "message": "The name is not used.",
              "suggestion": "Greet the person." },
            { "path": "README.md", "severity": "note", "message": "The example is old." },
        ],
        "model": "a-model",
        "tokens": { "input": 100, "output": 20, "cacheRead": 7 },
        "costUsd": 0.25,
    })
}

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_review_is_stored_with_its_findings_for_the_item_of_the_reporting_worker() {
    let world = World::new().await;
    let worker = world.running().await;

    let reported = world.call(&worker, "review", &review(1)).await.expect(201);

    assert_eq!(
        (&reported["workItemId"], &reported["workerId"], &reported["repo"]),
        (&json!(worker.item), &json!(worker.id), &json!("octocat/hello"))
    );
    assert_eq!(reported["leaseEpoch"], 1);
    assert_eq!(
        reported["findingCounts"],
        json!({ "error": 1, "warning": 0, "note": 1 })
    );
    assert_eq!(reported["findings"][0]["path"], "src/greet.rs");
    assert_eq!(reported["findings"][1].get("line"), None);
    assert_eq!(
        reported["tokens"],
        json!({ "input": 100, "output": 20, "cacheRead": 7, "cacheWrite": 0 })
    );
    let id = reported["id"].as_str().unwrap();
    assert_eq!(
        world.get(&format!("/api/reviews/{id}")).await.expect(200),
        reported
    );
}

#[tokio::test]
async fn a_review_that_is_reported_twice_is_one_and_the_first_one_counts() {
    let world = World::new().await;
    let worker = world.running().await;
    let first = world.call(&worker, "review", &review(1)).await.expect(201);
    let mut another = review(1);
    another["verdict"] = json!("approved");

    let again = world.call(&worker, "review", &another).await.expect(200);

    assert_eq!(again, first);
    assert_eq!(world.number("select count(*) from reviews").await, 1);
    world.call(&worker, "review", &review(2)).await.expect(201);
    assert_eq!(world.number("select count(*) from reviews").await, 2);
}

#[tokio::test]
async fn of_concurrent_reports_of_a_review_one_is_stored() {
    let world = World::new().await;
    let worker = world.running().await;
    let body = review(1);
    let reports = (0..8).map(|_| world.call(&worker, "review", &body));

    let answers = futures::future::join_all(reports).await;

    let new = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(new, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 201)));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
}

#[tokio::test]
async fn reviews_are_listed_without_findings_in_pages_newest_first() {
    let world = World::new().await;
    let worker = world.running().await;
    let mut made = Vec::new();
    for number in 1..=3 {
        let reported = world.call(&worker, "review", &review(number)).await.expect(201);
        made.push(reported["id"].as_str().unwrap().to_owned());
    }
    made.reverse();
    let other = world.running().await;
    world.call(&other, "review", &review(1)).await.expect(201);

    let of_item = format!("workItemId={}", worker.item);
    let first = world
        .get(&format!("/api/reviews?{of_item}&limit=2"))
        .await
        .expect(200);
    assert_eq!(ids(&first), made[..2]);
    assert_eq!(first["items"][0].get("findings"), None);
    assert_eq!(first["items"][0]["findingCounts"]["error"], 1);
    let cursor = first["nextCursor"].as_str().unwrap();
    let last = world
        .get(&format!("/api/reviews?{of_item}&limit=2&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(
        (ids(&last), &last["nextCursor"]),
        (vec![made[2].as_str()], &Value::Null)
    );

    for (query, count) in [("", 4), ("repo=Octocat/Hello", 4), ("repo=octocat/other", 0)] {
        let page = world.get(&format!("/api/reviews?{query}")).await.expect(200);
        assert_eq!(ids(&page).len(), count, "{query}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("workItemId=x", "workItemId"),
        ("cursor=x", "cursor"),
        ("verdict=approved", "verdict"),
    ] {
        let refused = world.get(&format!("/api/reviews?{query}")).await;
        assert_eq!(refused.expect_refused_field(), field);
    }
    let unknown = world.get(&format!("/api/reviews/{}", ReviewId::new())).await;
    assert_eq!(unknown.expect_error(404), "not_found");
}

#[tokio::test]
async fn an_invalid_field_of_a_review_is_named_and_nothing_is_stored() {
    let world = World::new().await;
    let worker = world.running().await;
    let finding = |field: &str, value: Value| {
        let mut finding = json!({ "path": "a.rs", "severity": "note", "message": "x" });
        finding[field] = value;
        json!([finding])
    };
    let long = |bytes: usize| Value::from("x".repeat(bytes));
    let many: Vec<Value> = (0..201).map(|_| finding("line", json!(1))[0].clone()).collect();
    for (field, value, named) in [
        ("round", json!(0), "round"),
        ("round", json!(21), "round"),
        ("headSha", json!("HEAD"), "headSha"),
        ("verdict", json!("great"), "verdict"),
        ("summary", long(16 * 1024 + 1), "summary"),
        ("findings", json!(many), "findings"),
        ("findings", finding("message", long(4 * 1024 + 1)), "findings"),
        ("findings", finding("suggestion", long(4 * 1024 + 1)), "findings"),
        (
            "findings",
            finding("path", json!("../secret")),
            "findings[0].path",
        ),
        ("findings", finding("line", json!(0)), "findings[0].line"),
        (
            "findings",
            finding("severity", json!("fatal")),
            "findings[0].severity",
        ),
        ("findings", finding("colour", json!("red")), "findings[0].colour"),
        ("model", json!(" "), "model"),
        ("model", long(201), "model"),
        ("costUsd", json!(-0.1), "costUsd"),
        ("workItemId", json!(worker.item), "workItemId"),
        ("repo", json!("octocat/other"), "repo"),
    ] {
        let mut body = review(1);
        body[field] = value;
        let refused = world.call(&worker, "review", &body).await;
        assert_eq!(refused.expect_refused_field(), named, "{field}");
    }
    assert_eq!(world.number("select count(*) from reviews").await, 0);
}

#[tokio::test]
async fn text_of_a_model_is_stored_unchanged_except_for_nul_characters() {
    let world = World::new().await;
    let worker = world.running().await;
    let mut body = review(1);
    body["summary"] = json!("<script>alert(1)</script> '; drop table reviews; -- \u{202e}\u{0}");
    body["findings"][0]["message"] = json!("a\u{0}b");

    let kept = world.call(&worker, "review", &body).await.expect(201);

    assert_eq!(
        kept["summary"],
        "<script>alert(1)</script> '; drop table reviews; -- \u{202e}\u{fffd}"
    );
    assert_eq!(kept["findings"][0]["message"], "a\u{fffd}b");
}

#[tokio::test]
async fn only_the_worker_that_has_the_item_may_report_a_review() {
    let world = World::new().await;
    let (one, other) = (world.running().await, world.running().await);
    let as_another = TestWorker {
        token: other.token.clone(),
        ..one.clone()
    };
    let refused = world.call(&as_another, "review", &review(1)).await;
    assert_eq!(refused.expect_error(403), "forbidden");

    world.call(&one, "complete", &complete()).await.expect(200);
    let late = world.call(&one, "review", &review(1)).await;
    assert_eq!(late.expect_error(409), "lease_lost");

    let person = with_json(
        request(
            axum::http::Method::POST,
            &format!("/api/worker/{}/review", other.id),
        ),
        &review(1),
    );
    assert_eq!(world.send(person).await.expect_error(404), "not_found");
    assert_eq!(world.number("select count(*) from reviews").await, 0);
}
