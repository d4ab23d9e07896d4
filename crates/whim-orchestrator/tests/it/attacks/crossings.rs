//! docs/attacks.md, rows 23 and 24: no caller acts as another, and a worker changes only its own item.

use axum::body::Body;
use axum::http::{HeaderValue, Method};
use serde_json::{Value, json};
use whim_core::WorkerToken;

use crate::api::reviews::review;
use crate::history::{diff, segment};
use crate::world::{SPEC, TestWorker, World, complete, fail, request, with_json, worker_request};

fn calls() -> [(&'static str, Value); 9] {
    [
        ("heartbeat", json!({ "seq": 1 })),
        ("lock", json!({ "files": ["a"] })),
        ("unlock", json!({ "files": ["a"] })),
        ("review", review(1)),
        ("transcript", segment(1..=1)),
        ("diff", diff(1)),
        ("complete", complete()),
        ("fail", fail("crash")),
        ("stuck", json!({ "reason": "x" })),
    ]
}

/// An orchestrator with a key, and a worker that it started.
async fn world_with_a_key_and_a_worker() -> (World, TestWorker) {
    let world = World::with(&[("API_KEY", "the-key-of-the-owner")]).await;
    let mut submit = with_json(
        request(Method::POST, "/api/work"),
        &json!({ "repo": "octocat/hello", "spec": SPEC }),
    );
    let key = HeaderValue::from_static("Bearer the-key-of-the-owner");
    submit.headers_mut().insert("authorization", key);
    world.send(submit).await.expect(201);
    let worker = world.start_worker().await;
    (world, worker)
}

// Row 23.
#[tokio::test]
async fn worker_routes_accept_only_a_workers_token_as_bearer() {
    let (world, worker) = world_with_a_key_and_a_worker().await;
    let never_issued = WorkerToken::generate();
    let token = &worker.token;
    for (route, body) in calls() {
        let path = format!("/api/worker/{}/{route}", worker.id);
        for credential in [
            format!("Basic {token}"),
            format!("Token {token}"),
            format!("Bearer{token}"),
            format!("Bearer {token}x"),
            format!("Bearer {}", &token[1..]),
            format!("Bearer {} {token}", worker.id),
            format!("Bearer {}", never_issued.reveal()),
            "Bearer the-key-of-the-owner".to_owned(),
            "Bearer null".to_owned(),
            "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3b3JrZXIifQ.".to_owned(),
            "Bearer '; select 1; --".to_owned(),
            "Bearer".to_owned(),
            String::new(),
        ] {
            let mut call = worker_request(&path, "x", &body);
            call.headers_mut()
                .insert("authorization", credential.parse().unwrap());
            let refused = world.send_as_worker(call).await;
            assert_eq!(refused.expect_error(401), "unauthorized", "{route}: {credential}");
        }
        // The header of the API key is not accepted either.
        let mut call = worker_request(&path, "x", &body);
        call.headers_mut().remove("authorization");
        call.headers_mut().insert("x-api-key", token.parse().unwrap());
        let refused = world.send_as_worker(call).await;
        assert_eq!(refused.expect_error(401), "unauthorized", "{route}");
    }
    assert_eq!(
        world
            .number("select count(*) from workers where ended_at is null")
            .await,
        1
    );
}

// Row 23.
#[tokio::test]
async fn the_token_of_a_worker_is_refused_by_the_api() {
    let (world, worker) = world_with_a_key_and_a_worker().await;
    for (method, path) in [
        (Method::GET, "/api/status".to_owned()),
        (Method::GET, "/api/work".to_owned()),
        (Method::POST, format!("/api/work/{}/cancel", worker.item)),
        (Method::POST, format!("/api/workers/{}/kill", worker.id)),
        (Method::POST, "/api/queue/pause".to_owned()),
        (Method::GET, "/api/reviews".to_owned()),
        (Method::GET, format!("/api/work/{}/transcript", worker.item)),
        (Method::GET, format!("/api/work/{}/export", worker.item)),
    ] {
        for header in ["authorization", "x-api-key"] {
            let value = match header {
                "authorization" => format!("Bearer {}", worker.token),
                _key => worker.token.clone(),
            };
            let asked = request(method.clone(), &path).header(header, value);
            let refused = world.send(asked.body(Body::empty()).unwrap()).await;
            assert_eq!(refused.expect_error(401), "unauthorized", "{method} {path}");
        }
    }
}

// Row 24.
#[tokio::test]
async fn requests_of_workers_cannot_name_another_repository_item_or_worker() {
    let world = World::new().await;
    let (one, other) = (world.running().await, world.running().await);
    for (field, value) in [
        ("repo", json!("octocat/other")),
        ("workItemId", json!(other.item)),
        ("workerId", json!(other.id)),
        ("leaseEpoch", json!(99)),
    ] {
        for (route, body) in calls() {
            let mut body = body;
            body[field] = value.clone();
            let refused = world.call(&one, route, &body).await;
            assert_eq!(refused.expect_refused_field(), field, "{route}");
        }
    }
    assert_eq!(world.status(one.item).await, "in_progress");
    assert_eq!(world.number("select count(*) from reviews").await, 0);
}

// Row 24.
#[tokio::test]
async fn locks_of_a_worker_are_in_its_own_repository() {
    let world = World::new().await;
    let one = world.running().await;
    let elsewhere = json!({ "repo": "octocat/other", "spec": SPEC });
    world.post("/api/work", &elsewhere).await.expect(201);
    let two = world.start_worker().await;
    let files = json!({ "files": ["src/main.rs", "octocat/other:src/lib.rs"] });
    world.call(&one, "lock", &files).await.expect(200);

    // The same names in another repository are other files.
    let files = json!({ "files": ["src/main.rs", "src/lib.rs"] });
    world.call(&two, "lock", &files).await.expect(200);

    // A worker cannot release the locks of another.
    world.call(&two, "unlock", &files).await.expect(204);
    let three = world.running().await;
    let refused = world.call(&three, "lock", &files).await.expect(409);
    assert_eq!(refused["details"]["conflicts"][0]["workerId"], json!(one.id));
}
