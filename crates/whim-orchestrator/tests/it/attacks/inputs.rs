//! docs/attacks.md, rows 34 and 36: inputs that are too large, too deep, or contain SQL or other syntax.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Method;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::world::{SPEC, World, id_of, request, worker_request};

fn post_text(path: &str, body: String) -> axum::http::Request<Body> {
    let builder = request(Method::POST, path).header("content-type", "application/json");
    builder.body(Body::from(body)).unwrap()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

// Row 34.
#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_refused_on_both_listeners() {
    let world = World::new().await;
    let worker = world.running().await;
    let huge = format!(r#"{{"spec":"{}"}}"#, "x".repeat(1024 * 1024));

    let refused = world.send(post_text("/api/work", huge)).await.expect(413);
    assert_eq!(
        (&refused["code"], &refused["details"]["maxBytes"]),
        (&json!("too_large"), &json!(1024 * 1024))
    );
    let path = format!("/api/worker/{}/heartbeat", worker.id);
    let body = json!({ "seq": 1, "spec": "x".repeat(1024 * 1024) });
    let refused = world
        .send_as_worker(worker_request(&path, &worker.token, &body))
        .await;
    assert_eq!(refused.expect_error(413), "too_large");
}

// Row 34.
#[tokio::test]
async fn json_of_any_depth_is_answered() {
    let world = World::new().await;
    for depth in [200, 10_000, 400_000] {
        for body in [
            nested(depth),
            format!(r#"{{"repo":{}}}"#, nested(depth)),
            format!(
                r#"{{"repo":"octocat/hello","spec":"x","metadata":{{"a":{}}}}}"#,
                nested(depth)
            ),
            format!(r#"{{"a":{}"#, "{\"a\":".repeat(depth / 5)),
        ] {
            let refused = world.send(post_text("/api/work", body)).await;
            assert_eq!(refused.expect_error(400), "invalid_request", "{depth}");
        }
    }
    assert_eq!(world.number("select count(*) from work_items").await, 0);
}

// Row 34.
#[tokio::test]
async fn too_large_a_field_of_a_worker_is_refused_by_name() {
    let world = World::new().await;
    let worker = world.running().await;
    let event = json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": "x" });
    let events: Vec<Value> = (0..501).map(|_| event.clone()).collect();
    let files: Vec<String> = (0..10_000).map(|number| format!("src/{number}.rs")).collect();
    for (route, body, field) in [
        ("heartbeat", json!({ "seq": 1, "events": events }), "events"),
        (
            "heartbeat",
            json!({ "seq": 1, "spec": "x".repeat(300 * 1024), "headSha": "0".repeat(40) }),
            "spec",
        ),
        ("heartbeat", json!({ "seq": u64::MAX }), "seq"),
        ("lock", json!({ "files": files }), "files"),
        ("unlock", json!({ "files": files }), "files"),
        ("lock", json!({ "files": ["x".repeat(4097)] }), "files[0]"),
    ] {
        let refused = world.call(&worker, route, &body).await;
        assert_eq!(refused.expect_refused_field(), field, "{route}");
    }
    assert_eq!(
        world
            .number("select count(*) from events where kind = 'worker_event'")
            .await,
        0
    );
}

// Row 34.
#[tokio::test]
async fn too_large_a_field_of_a_person_is_refused_by_name() {
    let world = World::new().await;
    let item = world.submit().await;
    let long = |bytes: usize| "x".repeat(bytes);
    for (path, body, field) in [
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "description": long(256 * 1024 + 1) }),
            "description",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "spec": long(256 * 1024 + 1) }),
            "spec",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "spec": SPEC, "sourceRef": long(201) }),
            "sourceRef",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "spec": SPEC, "source": long(1000) }),
            "source",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": format!("octocat/{}", long(200)), "spec": SPEC }),
            "repo",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "spec": SPEC, "branch": long(300) }),
            "branch",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "spec": SPEC, "metadata": { "a": long(64 * 1024) } }),
            "metadata",
        ),
        (
            "/api/work".to_owned(),
            json!({ "repo": "octocat/hello", "spec": SPEC, "maxIterations": 0 }),
            "maxIterations",
        ),
        (
            format!("/api/work/{item}/cancel"),
            json!({ "reason": long(4 * 1024 + 1) }),
            "reason",
        ),
        (
            format!("/api/work/{item}/cancel"),
            json!({ "cancelledBy": long(4 * 1024 + 1) }),
            "cancelledBy",
        ),
        (
            format!("/api/work/{item}/requeue"),
            json!({ "description": long(256 * 1024 + 1) }),
            "description",
        ),
        (
            "/api/queue/pause".to_owned(),
            json!({ "reason": long(4 * 1024 + 1) }),
            "reason",
        ),
    ] {
        let refused = world.post(&path, &body).await;
        assert_eq!(refused.expect_refused_field(), field, "{path} with {field}");
    }
    assert_eq!(world.status(item).await, "queued");
}

/// Fragments with a meaning in SQL, JSON, LIKE, shells and Postgres escapes, concatenated at random with a fixed seed.
fn hostile_texts() -> Vec<String> {
    const PIECES: [&str; 24] = [
        "'",
        "''",
        "\"",
        "\\",
        "\\'",
        ";",
        "--",
        "/*",
        "*/",
        "$1",
        "$$",
        "%",
        "_",
        "${7*7}",
        "{}",
        "\n",
        "\t",
        "'; drop table work_items; --",
        "' or '1'='1",
        "E'\\x27'",
        "\u{2019}",
        "\u{202e}",
        "🦀",
        "pg_sleep(9)",
    ];
    let mut random = StdRng::seed_from_u64(36);
    let mut texts: BTreeSet<String> = PIECES.iter().map(|piece| format!("x{piece}x")).collect();
    texts.extend((0..40).map(|_| {
        let length = random.random_range(2..9);
        let pieces = (0..length).map(|_| PIECES[random.random_range(0..PIECES.len())]);
        format!("x{}x", pieces.collect::<String>())
    }));
    texts.into_iter().collect()
}

// Row 36.
#[tokio::test]
async fn text_is_stored_and_returned_unchanged() {
    let world = World::new().await;
    for (number, text) in hostile_texts().into_iter().enumerate() {
        let body = json!({
            "repo": "octocat/hello", "description": text, "source": "fuzz", "sourceRef": text,
            "branch": format!("fuzz/{number}"),
            "metadata": { "issueTitle": text, "issueUrl": text, (text.clone()): text },
        });
        let made = world.post("/api/work", &body).await;
        assert_eq!(made.status, 201, "{text:?}: {:#}", made.body);
        let id = id_of(&made.body);

        let item = world.item(id).await;
        assert_eq!(item["description"], text.as_str());
        assert_eq!(item["sourceRef"], text.as_str());
        assert_eq!(item["metadata"]["issueTitle"], text.as_str());
        assert_eq!(item["metadata"][&text], text.as_str());
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("sourceRef", &text)
            .finish();
        let found = world.get(&format!("/api/work?{query}")).await.expect(200);
        let found: Vec<_> = found["items"].as_array().unwrap().iter().map(id_of).collect();
        assert_eq!(found, [id], "{text:?}");

        let note = json!({ "cancelledBy": text, "reason": text });
        let cancelled = world
            .post(&format!("/api/work/{id}/cancel"), &note)
            .await
            .expect(200);
        let trimmed = text.trim();
        assert_eq!(cancelled["error"], format!("Cancelled by {trimmed}: {trimmed}"));
    }
    let texts = i64::try_from(hostile_texts().len()).unwrap();
    assert_eq!(world.number("select count(*) from work_items").await, texts);
}

// Row 36.
#[tokio::test]
async fn filters_of_lists_are_values_and_never_sql() {
    let world = World::new().await;
    world.submit().await;
    for text in hostile_texts() {
        for (list, name) in [
            ("work", "status"),
            ("work", "repo"),
            ("work", "priority"),
            ("work", "cursor"),
            ("queue", "cursor"),
            ("learnings", "kind"),
            ("reviews", "repo"),
            ("reviews", "workItemId"),
        ] {
            let query: String = url::form_urlencoded::Serializer::new(String::new())
                .append_pair(name, &text)
                .finish();
            let refused = world.get(&format!("/api/{list}?{query}")).await;
            assert_eq!(refused.expect_refused_field(), name, "{list}: {text:?}");
        }
    }
    assert_eq!(world.number("select count(*) from work_items").await, 1);
}
