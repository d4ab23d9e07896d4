//! docs/attacks.md, row 29: guessing keys is throttled and audited, and does not lock the key holder out. Changes by people
//! are audited too. The constant-time comparison of keys is tested in `http/auth.rs`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use whim_service::telemetry::{Style, subscriber};

use crate::app::{API_KEY, TestApp};
use crate::world::{SPEC, World, id_of, request, with_json, worker_request};

/// The log, line by line.
#[derive(Clone, Default)]
struct Log(Arc<RwLock<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Captures the log of this thread while the guard lives; a test runs on one thread.
    fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let output = log.clone();
        let style = Style::Json { service: "test" };
        let (subscriber, _levels) = subscriber(style, "info", move || output.clone()).unwrap();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.read().unwrap().clone()).unwrap()
    }

    /// The audit lines.
    fn audit(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["target"] == "audit").collect()
    }
}

fn from_peer(mut request: Request<Body>, peer: &str) -> Request<Body> {
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

#[tokio::test]
async fn a_peer_that_guesses_keys_is_throttled_and_the_key_holder_is_not() {
    let app = TestApp::with(&[("API_KEY", API_KEY)]).await;
    let guess = async |number: usize| {
        let url = app.addresses.api.join("/api/status").unwrap();
        let request = app.http.get(url).bearer_auth(format!("guess-{number}"));
        request.send().await.unwrap()
    };
    for number in 0..20 {
        assert_eq!(guess(number).await.status(), 401);
    }

    let refused = guess(20).await;

    assert_eq!(refused.status(), 429);
    let seconds: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=61).contains(&seconds), "{seconds}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "rate_limited");
    // The key holder has the same address.
    let (status, _) = app.get("/api/status").await;
    assert_eq!(status, 200);
    // The listener of the workers counts separately.
    let url = app.addresses.worker_api.join("/api/worker/register").unwrap();
    let worker = app
        .http
        .post(url)
        .header("x-whim-protocol", "1")
        .bearer_auth("guess");
    assert_eq!(worker.send().await.unwrap().status(), 401);
    app.stop().await;
}

#[tokio::test]
async fn a_refused_credential_is_audited_without_the_credential() {
    let world = World::with(&[("API_KEY", "the-key-of-the-owner")]).await;
    let id = whim_core::WorkItemId::new();
    let (log, _guard) = Log::begin();
    let ask = |path: &str, peer: &str| {
        let asked = request(Method::POST, path).header("authorization", "Bearer canary-wrong-key");
        from_peer(asked.body(Body::empty()).unwrap(), peer)
    };

    world
        .send(ask(&format!("/api/work/{id}/cancel"), "192.0.2.7:4711"))
        .await
        .expect(401);
    world
        .send(ask("/api/work/canary-path/cancel?canary-query", "192.0.2.7:4712"))
        .await
        .expect(401);
    let token = worker_request("/api/worker/register", "canary-wrong-token", &json!({}));
    world
        .send_as_worker(from_peer(token, "[2001:db8::1]:99"))
        .await
        .expect(401);

    let lines = log.audit();
    assert_eq!(lines.len(), 3, "{}", log.text());
    let said = |line: &Value, field: &str| line[field].as_str().unwrap_or_default().to_owned();
    assert_eq!(said(&lines[0], "from"), "192.0.2.7:4711");
    assert_eq!(said(&lines[0], "route"), "/api/work/{id}/cancel");
    assert_eq!(said(&lines[0], "id"), id.to_string());
    assert_eq!(
        (said(&lines[1], "id"), &lines[1]["status"]),
        (String::new(), &json!(401))
    );
    assert_eq!(
        (said(&lines[2], "listener"), said(&lines[2], "from")),
        ("workers".to_owned(), "[2001:db8::1]:99".to_owned())
    );
    for secret in ["wrong-key", "wrong-token", "canary-path", "canary-query"] {
        assert!(!log.text().contains(secret), "{secret}: {}", log.text());
    }
}

#[tokio::test]
async fn a_flood_of_wrong_keys_is_logged_up_to_a_limit() {
    let world = World::with(&[("API_KEY", "the-key-of-the-owner")]).await;
    let (log, _guard) = Log::begin();
    for port in 1..200 {
        let asked = request(Method::GET, "/api/status").body(Body::empty()).unwrap();
        world.send(from_peer(asked, &format!("192.0.2.7:{port}"))).await;
    }
    let other = request(Method::GET, "/api/status").body(Body::empty()).unwrap();
    world.send(from_peer(other, "192.0.2.8:1")).await.expect(401);

    let lines = log.audit();
    assert_eq!(lines.len(), 21, "{}", log.text());
    let last = lines[19]["message"].as_str().unwrap();
    assert!(last.contains("are not logged"), "{last}");
}

#[tokio::test]
async fn changes_by_people_are_audited_with_route_and_peer() {
    let world = World::new().await;
    let worker = world.running().await;
    let (log, _guard) = Log::begin();
    let change = async |path: &str, body: Value| {
        let asked = with_json(request(Method::POST, path), &body);
        world.send(from_peer(asked, "127.0.0.1:4711")).await
    };

    let item = id_of(
        &change("/api/work", json!({ "repo": "octocat/hello", "spec": SPEC }))
            .await
            .expect(201),
    );
    change(
        &format!("/api/work/{item}/cancel"),
        json!({ "cancelledBy": "Ada" }),
    )
    .await
    .expect(200);
    change(&format!("/api/work/{item}/requeue"), json!({}))
        .await
        .expect(200);
    change(&format!("/api/workers/{}/kill", worker.id), json!({}))
        .await
        .expect(200);
    let priority = with_json(
        request(Method::PUT, &format!("/api/work/{item}/priority")),
        &json!({ "priority": "high" }),
    );
    world
        .send(from_peer(priority, "127.0.0.1:4711"))
        .await
        .expect(200);
    change("/api/queue/pause", json!({ "pausedBy": "Ada" }))
        .await
        .expect(200);
    change("/api/queue/resume", json!({})).await.expect(200);
    change(&format!("/api/work/{item}/requeue"), json!({}))
        .await
        .expect(409);
    world.get("/api/work").await.expect(200);

    let lines = log.audit();
    let entries: Vec<String> = lines
        .iter()
        .map(|line| {
            assert_eq!(line["from"], "127.0.0.1:4711");
            assert!(line["timestamp"].is_string(), "{line}");
            let id = line["id"].as_str().unwrap_or("-");
            let id = id
                .replace(&item.to_string(), "ITEM")
                .replace(&worker.id.to_string(), "WORKER");
            let (method, route) = (line["method"].as_str().unwrap(), line["route"].as_str().unwrap());
            format!("{method} {route} {id} {}", line["status"])
        })
        .collect();
    assert_eq!(
        entries,
        [
            "POST /api/work ITEM 201",
            "POST /api/work/{id}/cancel ITEM 200",
            "POST /api/work/{id}/requeue ITEM 200",
            "POST /api/workers/{id}/kill WORKER 200",
            "PUT /api/work/{id}/priority ITEM 200",
            "POST /api/queue/pause - 200",
            "POST /api/queue/resume - 200",
            "POST /api/work/{id}/requeue ITEM 409",
        ]
    );
}
