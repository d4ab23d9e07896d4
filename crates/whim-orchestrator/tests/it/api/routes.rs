//! Authentication and errors of every route.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{SPEC, TestWorker, World, complete, fail, request, with_json, worker_request};

#[tokio::test]
async fn the_key_is_accepted_in_either_header_and_from_any_host() {
    let world = World::with(&[("API_KEY", "a-long-api-key"), ("BIND_ADDRESS", "0.0.0.0")]).await;
    for (name, value) in [
        ("authorization", "Bearer a-long-api-key"),
        ("authorization", "bearer a-long-api-key"),
        ("x-api-key", "a-long-api-key"),
    ] {
        let get = Request::get("/api/status")
            .header("host", "whim.example")
            .header(name, value);
        world.send(get.body(Body::empty()).unwrap()).await.expect(200);
    }
}

// docs/attacks.md, row 27.
#[tokio::test]
async fn without_a_key_pages_of_other_sites_cannot_call() {
    let world = World::new().await;
    let send = async |host: Option<&str>, origin: Option<&str>| {
        let mut builder = Request::get("/api/status");
        if let Some(host) = host {
            builder = builder.header("host", host);
        }
        if let Some(origin) = origin {
            builder = builder.header("origin", origin);
        }
        world.send(builder.body(Body::empty()).unwrap()).await
    };
    for host in ["localhost", "localhost:3002", "127.0.0.1:3002", "[::1]:3002"] {
        send(Some(host), None).await.expect(200);
        send(Some(host), Some("http://localhost:3003")).await.expect(200);
    }
    for host in [
        None,
        Some("evil.example"),
        Some("localhost.evil.example:3002"),
        Some("192.168.0.7"),
        Some(""),
    ] {
        assert_eq!(send(host, None).await.expect_error(403), "forbidden", "{host:?}");
    }
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost.evil.example",
        "file://",
    ] {
        assert_eq!(
            send(Some("localhost"), Some(origin)).await.expect_error(403),
            "forbidden",
            "{origin}"
        );
    }
}

#[tokio::test]
async fn only_json_is_accepted_because_other_sites_can_send_other_types_without_preflight() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "spec": SPEC }).to_string();
    let id = world.submit().await;
    for path in ["/api/work".to_owned(), format!("/api/work/{id}/cancel")] {
        for content_type in [
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("application/jsonx"),
            None,
        ] {
            let mut builder = request(Method::POST, &path);
            if let Some(content_type) = content_type {
                builder = builder.header("content-type", content_type);
            }
            let answer = world.send(builder.body(Body::from(body.clone())).unwrap()).await;
            assert_eq!(
                answer.expect_error(415),
                "invalid_request",
                "{path} as {content_type:?}"
            );
        }
    }
    assert_eq!(world.number("select count(*) from work_items").await, 1);
    let builder =
        request(Method::POST, "/api/work").header("content-type", "application/json; charset=utf-8");
    world
        .send(builder.body(Body::from(body)).unwrap())
        .await
        .expect(201);
    // Optional bodies may be omitted.
    let bare = request(Method::POST, &format!("/api/work/{id}/cancel"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(world.send(bare).await.expect(200)["status"], "cancelled");
}

#[tokio::test]
async fn every_error_has_the_same_envelope() {
    let world = World::new().await;
    let post = |body: &'static str| {
        let builder = request(Method::POST, "/api/work").header("content-type", "application/json");
        builder.body(Body::from(body)).unwrap()
    };
    let mut responses = Vec::new();
    for request in [
        post("{"),
        post(""),
        post("[]"),
        post(r#"{"repo":"octocat/hello","spec":"- [ ] x"} and more"#),
        post("{\"repo\":\"octocat/hello\",\"repo\":\"octocat/hello\"}"),
        post("\u{0}"),
        request(Method::GET, "/nowhere").body(Body::empty()).unwrap(),
        request(Method::DELETE, "/api/work").body(Body::empty()).unwrap(),
        request(Method::GET, "/api/work/not-an-id")
            .body(Body::empty())
            .unwrap(),
        request(Method::GET, "/api/work/%ff").body(Body::empty()).unwrap(),
    ] {
        let line = format!("{} {}", request.method(), request.uri());
        let answer = world.send(request).await;
        responses.push(format!("{line}: {} {}", answer.status, answer.body));
    }
    insta::assert_snapshot!(responses.join("\n"));
}

#[tokio::test]
async fn a_response_has_a_request_id_and_an_invalid_one_does_not_reach_the_log() {
    let world = World::new().await;
    let named = async |name: Option<&str>| {
        let mut builder = request(Method::GET, "/api/work");
        if let Some(name) = name {
            builder = builder.header("x-request-id", name);
        }
        let answer = world.send(builder.body(Body::empty()).unwrap()).await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(named(Some("the-caller-s-own")).await, "the-caller-s-own");
    let new = named(None).await;
    assert!(new.parse::<uuid::Uuid>().is_ok(), "{new}");
    for hostile in ["", "with space", &"x".repeat(65)] {
        assert_ne!(named(Some(hostile)).await, hostile);
    }
}

// docs/attacks.md, row 23.
#[tokio::test]
async fn a_worker_acts_only_as_itself() {
    let world = World::new().await;
    let (one, two) = (world.running().await, world.running().await);
    let calls = [
        ("heartbeat", json!({ "seq": 1 })),
        ("lock", json!({ "files": ["a"] })),
        ("unlock", json!({ "files": ["a"] })),
        ("complete", complete()),
        ("fail", fail("crash")),
        ("stuck", json!({ "reason": "x" })),
    ];
    let with_token = |token: &str| TestWorker {
        token: token.to_owned(),
        ..one.clone()
    };
    for (route, body) in &calls {
        let of_two = with_token(&two.token);
        assert_eq!(
            world.call(&of_two, route, body).await.expect_error(403),
            "forbidden",
            "{route}"
        );
        // Again, because the token may be cached now.
        assert_eq!(
            world.call(&of_two, route, body).await.expect_error(403),
            "forbidden",
            "{route}"
        );
        for token in ["", "x", &one.id.to_string(), "eyJhbGciOiJub25lIn0.e30.", "Bearer"] {
            let answer = world.call(&with_token(token), route, body).await;
            assert_eq!(answer.expect_error(401), "unauthorized", "{route} with {token:?}");
        }
        let path = format!("/api/worker/{}/{route}", one.id);
        let mut without = worker_request(&path, "x", body);
        without.headers_mut().remove("authorization");
        assert_eq!(
            world.send_as_worker(without).await.expect_error(401),
            "unauthorized",
            "{route}"
        );
    }
    let body = json!({ "workerId": one.id, "nonce": "nonce" });
    let as_another = worker_request("/api/worker/register", &two.token, &body);
    assert_eq!(
        world.send_as_worker(as_another).await.expect_error(403),
        "forbidden"
    );
    assert_eq!(world.status(one.item).await, "in_progress");
}

#[tokio::test]
async fn a_token_is_refused_long_after_its_worker_ended() {
    let world = World::new().await;
    let worker = world.running().await;
    world.call(&worker, "complete", &complete()).await.expect(200);
    world.call(&worker, "complete", &complete()).await.expect(200);

    sqlx::query("update workers set ended_at = now() - interval '61 minutes'")
        .execute(&world.pool)
        .await
        .unwrap();

    // Heartbeats and locks use a cached lookup for up to a minute.
    for (route, body) in [("complete", complete()), ("unlock", json!({ "files": ["a"] }))] {
        assert_eq!(
            world.call(&worker, route, &body).await.expect_error(401),
            "unauthorized",
            "{route}"
        );
    }
}

#[tokio::test]
async fn worker_routes_and_api_routes_are_on_separate_listeners() {
    let world = World::new().await;
    let worker = world.running().await;
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let heartbeat = with_json(request(Method::POST, &path), &json!({ "seq": 1 }));
    assert_eq!(world.send(heartbeat).await.expect_error(404), "not_found");
    let status = worker_request("/api/work", &worker.token, &json!({}));
    assert_eq!(world.send_as_worker(status).await.expect_error(404), "not_found");
}

#[tokio::test]
async fn the_status_shows_running_work_and_what_blocks_more() {
    let world = World::with(&[("MAX_WORKERS", "1"), ("DAILY_BUDGET", "10")]).await;
    world.running().await;
    world.submit().await;

    let status = world.get("/api/status").await.expect(200);

    insta::assert_json_snapshot!(status, { ".version" => "[version]", ".budget.resetsAt" => "[time]", ".blockedReasons[1].message" => "[the budget and its reset time]", ".blockedReasons[1].retryAt" => "[time]" });
}

#[tokio::test]
async fn without_redis_health_reports_it_and_no_locks_are_granted_while_running_work_continues() {
    let world = World::with_own_redis().await;
    let worker = world.running().await;
    assert_eq!(world.get("/health").await.expect(200)["healthy"], true);

    world.redis.stop().await.unwrap();

    let health = world.get("/health").await.expect(503);
    let parts = ["postgres", "redis", "runtime"].map(|part| health[part]["healthy"].clone());
    assert_eq!(
        (&health["healthy"], parts),
        (&json!(false), [json!(true), json!(false), json!(true)])
    );
    let status = world.get("/api/status").await.expect(200);
    assert!(
        status["blockedReasons"].to_string().contains("redis_unavailable"),
        "{status:#}"
    );
    let refused = world.call(&worker, "lock", &json!({ "files": ["a"] })).await;
    assert_eq!(refused.headers["retry-after"], "2");
    assert_eq!(refused.expect_error(503), "unavailable");
    world
        .call(&worker, "heartbeat", &json!({ "seq": 1 }))
        .await
        .expect(200);
    world.call(&worker, "complete", &complete()).await.expect(200);
    assert_eq!(world.item(worker.item).await["error"], Value::Null);
}
