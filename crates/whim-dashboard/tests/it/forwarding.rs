//! Requests to the API.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use whim_testkit::orchestrator::{Fault, Orchestrator};

use crate::upstream::Upstream;
use crate::world::{PASSWORD, World, error_of};

const OK: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

fn new_item(source_ref: &str) -> Value {
    json!({ "repo": "octocat/hello", "source": "api", "sourceRef": source_ref, "description": "Say hello." })
}

#[tokio::test]
async fn requests_reach_the_orchestrator_with_its_key_and_answers_come_back_unchanged() {
    let orchestrator = Orchestrator::start();
    let world = World::before(&orchestrator).await;
    let created = world
        .request(Method::POST, "/api/work")
        .json(&new_item("1"))
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), StatusCode::CREATED);
    let id = orchestrator.items()[0].id;
    assert_eq!(
        created.json::<Value>().await.unwrap()["id"],
        id.to_string().as_str()
    );

    let listed: Value = world
        .get("/api/work?repo=octocat/hello&limit=5")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);

    let cancelled = world
        .request(Method::POST, &format!("/api/work/{id}/cancel"))
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(cancelled.status(), StatusCode::OK);
    let again = world
        .request(Method::POST, &format!("/api/work/{id}/requeue"))
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::OK);

    let missing = world.get("/api/work/00000000-0000-7000-8000-000000000000").await;
    let (status, body) = error_of(missing).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
}

#[tokio::test]
async fn the_key_stays_on_the_server_and_credentials_of_the_browser_are_not_forwarded() {
    let mut upstream = Upstream::start().await;
    let world = World::with(&[
        ("ORCHESTRATOR_URL", &format!("{}/", upstream.url)),
        ("API_KEY", "the-key-of-whim"),
    ])
    .await;
    let request = world
        .request(Method::GET, "/api/status")
        .header("authorization", "Bearer of-the-browser")
        .header("x-api-key", "of-the-browser")
        .header("cookie", "whim_session=secret")
        .header("x-forwarded-for", "192.0.2.1")
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("x-request-id", "a-request")
        .header("if-none-match", "\"abc\"");
    let respond = upstream.answer(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nserver: hidden\r\n\
         set-cookie: a=b\r\nwww-authenticate: Basic\r\nx-request-id: a-request\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\r\n{}",
    );
    let (answer, ()) = tokio::join!(request.send(), respond);
    let answer = answer.unwrap();
    for name in [
        "server",
        "set-cookie",
        "www-authenticate",
        "x-hop",
        "authorization",
    ] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.headers()["x-request-id"], "a-request");
    assert_eq!(answer.headers()["content-length"], "2");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");

    let head = &upstream.heads()[0];
    assert!(head.starts_with("get /api/status http/1.1\r\n"), "{head}");
    for sent in [
        "authorization: bearer the-key-of-whim\r\n",
        "x-request-id: a-request\r\n",
        "if-none-match: \"abc\"\r\n",
        "user-agent: whim-dashboard/",
    ] {
        assert!(head.contains(sent), "{sent} in {head}");
    }
    for kept in ["of-the-browser", "cookie", "x-forwarded-for", "x-private"] {
        assert!(!head.contains(kept), "{kept} in {head}");
    }
}

#[tokio::test]
async fn routes_of_workers_and_of_the_intake_and_unknown_ones_do_not_reach_the_orchestrator() {
    let orchestrator = Orchestrator::start();
    let world = World::before(&orchestrator).await;
    let id = "00000000-0000-7000-8000-000000000000";
    for (method, path) in [
        (Method::POST, "/api/worker/register".to_owned()),
        (Method::POST, format!("/api/worker/{id}/heartbeat")),
        (Method::POST, format!("/api/worker/{id}/complete")),
        (Method::PUT, format!("/api/work/{id}/spec")),
        (Method::POST, format!("/api/work/{id}/spec/fail")),
        (Method::GET, "/api/nonsense".to_owned()),
        (Method::GET, "/api".to_owned()),
        (Method::GET, "/api/".to_owned()),
        (Method::GET, "/API/status".to_owned()),
        (Method::GET, "/api//status".to_owned()),
    ] {
        let answer = world
            .request(method.clone(), &path)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
    }
    let (status, _) = error_of(world.request(Method::DELETE, "/api/status").send().await.unwrap()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(orchestrator.requests(), []);
}

#[tokio::test]
async fn a_path_that_a_client_would_rewrite_is_not_forwarded() {
    let orchestrator = Orchestrator::start();
    let world = World::before(&orchestrator).await;
    for path in [
        "/api/work/%2e%2e/worker",
        "/api/work/%2e%2e%2fworker%2fregister/cancel",
        "/api/work/../worker/register",
        "/api/workers/%2e/kill",
        "/api/work/..%5cworker/cancel",
        "/api/%77orker/register",
        "/%61pi/worker/register",
    ] {
        for method in ["GET", "POST"] {
            let answer = world
                .raw(&format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"))
                .await;
            let refused = ["HTTP/1.1 404 ", "HTTP/1.1 405 "]
                .iter()
                .any(|status| answer.starts_with(status));
            assert!(refused, "{method} {path}: {answer}");
        }
    }
    assert_eq!(orchestrator.requests(), []);
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_refused_without_being_forwarded() {
    let orchestrator = Orchestrator::start();
    let world = World::before(&orchestrator).await;
    let body = format!("{{\"spec\":\"{}\"}}", "x".repeat(1024 * 1024));
    let request = world
        .request(Method::POST, "/api/work")
        .header("content-type", "application/json");
    let (status, body) = error_of(request.body(body).send().await.unwrap()).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("too_large"))
    );
    assert_eq!(orchestrator.requests(), []);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let world = World::with(&[("DASHBOARD_UPSTREAM_TIMEOUT_SECONDS", "0.2")]).await;
    let head = "POST /api/work HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    let answer = world.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn an_orchestrator_that_is_away_is_reported_as_such_until_it_is_back() {
    let orchestrator = Orchestrator::start();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let world = World::before_url(&nowhere).await;
    let answer = world.get("/api/status").await;
    assert_eq!(answer.headers()["retry-after"], "2");
    let (status, body) = error_of(answer).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(body["code"], "unavailable");
    assert_eq!(body["details"], json!({ "upstream": "orchestrator" }));
    assert!(!body["error"].as_str().unwrap().contains("127.0.0.1"), "{body}");

    let world = World::before(&orchestrator).await;
    orchestrator
        .faults()
        .push(Fault::on(Method::GET, "/api/work").lose_response());
    assert_eq!(world.get("/api/work").await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(world.get("/api/work").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_orchestrator_that_does_not_answer_in_time_is_a_gateway_timeout() {
    let mut upstream = Upstream::start().await;
    let world = World::with(&[
        ("ORCHESTRATOR_URL", &upstream.url),
        ("DASHBOARD_UPSTREAM_TIMEOUT_SECONDS", "0.2"),
    ])
    .await;
    let (answer, _silent) = tokio::join!(world.get("/api/status"), upstream.connection());
    let (status, body) = error_of(answer).await;
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(body["details"]["upstream"], "orchestrator");
}

#[tokio::test]
async fn a_refused_key_is_a_fault_of_the_settings_and_not_a_missing_login() {
    let orchestrator = Orchestrator::start();
    let world = World::with(&[
        ("ORCHESTRATOR_URL", &orchestrator.url()),
        ("API_KEY", "a-wrong-key-of-whim"),
    ])
    .await;
    let (status, body) = error_of(world.get("/api/work").await).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(body["error"].as_str().unwrap().contains("API_KEY"), "{body}");
}

#[tokio::test]
async fn a_response_that_is_cut_off_is_not_completed() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    for part in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    ] {
        let (answer, ()) = tokio::join!(world.get("/api/status"), upstream.answer(part));
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.text().await;
        assert!(body.is_err(), "{body:?}");
    }
}

#[tokio::test]
async fn a_large_response_arrives_in_parts() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    let request = world.get("/api/workers/00000000-0000-7000-8000-000000000000/logs");
    let serve = async {
        let mut connection = upstream.connection().await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 20\r\n\r\nfirst half";
        connection.write_all(head.as_bytes()).await.unwrap();
        connection
    };
    let (mut answer, mut connection) = tokio::join!(request, serve);
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first half");
    connection.write_all(b"second hlf").await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "second hlf");
}

#[tokio::test]
async fn head_is_forwarded_as_head() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    let head = world.request(Method::HEAD, "/api/status");
    let respond = upstream.answer("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1234\r\nconnection: close\r\n\r\n");
    let (answer, ()) = tokio::join!(head.send(), respond);
    let answer = answer.unwrap();
    assert_eq!(answer.headers()["content-length"], "1234");
    assert!(upstream.heads()[0].starts_with("head /api/status "));
}

#[tokio::test]
async fn nothing_of_the_api_is_forwarded_without_a_session_where_a_login_is_demanded() {
    let mut upstream = Upstream::start().await;
    let world = World::with(&[
        ("ORCHESTRATOR_URL", &upstream.url),
        ("DASHBOARD_PASSWORD", PASSWORD),
    ])
    .await;
    for (method, path) in [
        (Method::GET, "/api/status"),
        (Method::GET, "/api/events"),
        (Method::GET, "/health"),
        (Method::POST, "/api/queue/pause"),
        (Method::GET, "/api/nonsense"),
    ] {
        let (status, body) = error_of(world.request(method, path).send().await.unwrap()).await;
        assert_eq!(
            (status, &body["code"]),
            (StatusCode::UNAUTHORIZED, &json!("unauthorized")),
            "{path}"
        );
    }
    assert_eq!(upstream.heads(), [""; 0]);

    let cookie = world.log_in().await;
    let request = world
        .request(Method::GET, "/api/status")
        .header("cookie", cookie)
        .send();
    let (answer, ()) = tokio::join!(request, upstream.answer(OK));
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
}
