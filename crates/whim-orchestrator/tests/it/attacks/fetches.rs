//! docs/attacks.md, row 22: the orchestrator fetches nothing that a caller names. It has no HTTP client at all
//! (`cargo xtask tidy` refuses one among its dependencies); what it connects to are the settings' Postgres, Redis and
//! container engine. This shows the same from outside.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::json;

use crate::world::{SPEC, World, complete, id_of};

#[tokio::test]
async fn urls_of_callers_and_workers_are_never_fetched() {
    let world = World::new().await;
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = format!("http://{}/latest/meta-data", trap.local_addr().unwrap());
    let body = json!({
        "repo": "octocat/hello", "spec": SPEC,
        "metadata": { "issueUrl": url, "webhook": url, "embeddingUrl": url, "base": "develop" },
    });
    let item = id_of(&world.post("/api/work", &body).await.expect(201));
    let worker = world.start_worker().await;
    let mut done = complete();
    done["prUrl"] = json!(url);

    world.call(&worker, "complete", &done).await.expect(200);
    assert_eq!(world.item(item).await["prUrl"], url.as_str());
    world.get("/api/work").await.expect(200);
    world.get("/api/status").await.expect(200);

    let knocked = trap.accept().map_err(|error| error.kind());
    assert!(matches!(knocked, Err(ErrorKind::WouldBlock)), "{knocked:?}");
}

#[tokio::test]
async fn only_http_links_are_accepted_from_workers() {
    let world = World::new().await;
    let worker = world.running().await;
    for url in [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "gopher://169.254.169.254/",
        "http://",
        "//evil.example",
        "",
    ] {
        let mut done = complete();
        done["prUrl"] = json!(url);
        let refused = world.call(&worker, "complete", &done).await;
        assert_eq!(refused.expect_refused_field(), "prUrl", "{url}");
    }
    assert_eq!(world.status(worker.item).await, "in_progress");
}
