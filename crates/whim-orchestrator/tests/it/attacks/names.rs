//! docs/attacks.md, row 37: names are identifiers, or paths that stay inside their repository.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use crate::world::{World, request, with_json, worker_request};

/// In the encoding of request paths.
const NO_IDENTIFIERS: [&str; 12] = [
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "%2e%2e%2f%2e%2e",
    "..%5c..%5cwindows%5cwin.ini",
    "C:%5Cwindows%5Cwin.ini",
    "%5c%5chost%5cshare",
    "a%00b",
    "%2fetc%2fpasswd",
    "worker.log",
    "019a0000-0000-7000-8000-00000000000g",
    "%252e%252e%252f",
    "~root",
];

#[tokio::test]
async fn only_identifiers_are_accepted_where_one_is_expected() {
    let world = World::new().await;
    let worker = world.running().await;
    for name in NO_IDENTIFIERS {
        for (method, path) in [
            (Method::GET, format!("/api/work/{name}")),
            (Method::GET, format!("/api/work/{name}/explain")),
            (Method::POST, format!("/api/work/{name}/cancel")),
            (Method::POST, format!("/api/work/{name}/requeue")),
            (Method::PUT, format!("/api/work/{name}/spec")),
            (Method::POST, format!("/api/work/{name}/spec/fail")),
            (Method::GET, format!("/api/workers/{name}/logs")),
            (Method::POST, format!("/api/workers/{name}/kill")),
            (Method::GET, format!("/api/reviews/{name}")),
            (Method::GET, format!("/api/work/{name}/transcript")),
            (Method::GET, format!("/api/work/{name}/diff")),
            (Method::GET, format!("/api/work/{name}/timeline")),
            (Method::GET, format!("/api/work/{name}/export")),
        ] {
            let asked = request(method.clone(), &path);
            let asked = if method == Method::GET {
                asked.body(Body::empty()).unwrap()
            } else {
                with_json(asked, &json!({}))
            };
            let refused = world.send(asked).await;
            assert_eq!(refused.expect_refused_field(), "id", "{method} {path}");
        }
        for route in [
            "heartbeat",
            "lock",
            "unlock",
            "review",
            "transcript",
            "diff",
            "complete",
            "fail",
            "stuck",
        ] {
            let path = format!("/api/worker/{name}/{route}");
            let call = worker_request(&path, &worker.token, &json!({ "seq": 1 }));
            let refused = world.send_as_worker(call).await;
            assert_eq!(refused.expect_refused_field(), "id", "{path}");
        }
    }
}

#[tokio::test]
async fn dot_segments_reach_no_other_route() {
    let world = World::new().await;
    let id = world.running().await.id;
    for path in [
        format!("/api/workers/{id}/../{id}/logs"),
        format!("/api/workers/{id}/logs/../../../etc/passwd"),
        "/api/../health".to_owned(),
        "//api/work".to_owned(),
        "/api/work/".to_owned(),
        "/API/work".to_owned(),
        format!("/api/workers/{id}/logs/worker.log"),
    ] {
        let asked = request(Method::GET, &path).body(Body::empty()).unwrap();
        assert_eq!(world.send(asked).await.expect_error(404), "not_found", "{path}");
    }
}

#[tokio::test]
async fn paths_of_locks_and_findings_stay_inside_the_repository() {
    let world = World::new().await;
    let worker = world.running().await;
    for path in [
        "",
        ".",
        "..",
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "C:\\windows\\win.ini",
        "c:/windows",
        "\\\\host\\share",
        "a\\..\\..\\b",
        "a\u{0}b",
        "a\nb",
        "a\u{1b}[31m",
    ] {
        let files = json!({ "files": ["fine.rs", path] });
        for route in ["lock", "unlock"] {
            let refused = world.call(&worker, route, &files).await;
            assert_eq!(refused.expect_refused_field(), "files[1]", "{route} {path:?}");
        }
        let mut review = crate::api::reviews::review(1);
        review["findings"][1]["path"] = json!(path);
        let refused = world.call(&worker, "review", &review).await;
        assert_eq!(refused.expect_refused_field(), "findings[1].path", "{path:?}");
    }
    // Two spellings of one file are one lock.
    let files = json!({ "files": ["./src//x/../main.rs"] });
    let granted = world.call(&worker, "lock", &files).await.expect(200);
    assert_eq!(granted["files"], json!(["src/main.rs"]));
    let other = world.running().await;
    let refused = world
        .call(&other, "lock", &json!({ "files": ["src/main.rs"] }))
        .await;
    assert_eq!(refused.expect_error(409), "lock_held");
}
