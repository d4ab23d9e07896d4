//! Requests of pages of other sites (docs/attacks.md, row 27), and reports of what they tried (row 26).

use axum::http::{Method, StatusCode};
use serde_json::json;
use whim_testkit::orchestrator::Orchestrator;

use crate::world::{PASSWORD, World, error_of};

#[tokio::test]
async fn another_host_name_is_refused_on_every_path() {
    let world = World::with(&[]).await;
    for path in [
        "/",
        "/assets/index-DiwrgTda.js",
        "/session",
        "/api/status",
        "/health",
        "/nonsense",
    ] {
        for host in ["evil.example", "localhost.evil.example:3003", "10.0.0.1:3003"] {
            let answer = world
                .request(Method::GET, path)
                .header("host", host)
                .send()
                .await
                .unwrap();
            let (status, body) = error_of(answer).await;
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::FORBIDDEN, &json!("forbidden")),
                "{host}{path}"
            );
        }
    }
    let report = world
        .request(Method::POST, "/csp-report")
        .header("host", "evil.example")
        .body("{}");
    assert_eq!(report.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let nameless = world.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(
        nameless.starts_with("HTTP/1.0 403 ") || nameless.starts_with("HTTP/1.1 403 "),
        "{nameless}"
    );
}

#[tokio::test]
async fn configured_host_names_are_answered() {
    let world = World::with(&[
        ("DASHBOARD_HOSTS", "whim.example.org, 192.0.2.5"),
        ("DASHBOARD_PASSWORD", PASSWORD),
    ])
    .await;
    for host in [
        "whim.example.org",
        "WHIM.example.org:8443",
        "192.0.2.5:3003",
        "localhost:3003",
    ] {
        let answer = world
            .request(Method::GET, "/")
            .header("host", host)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_can_change_nothing() {
    let orchestrator = Orchestrator::start();
    let world = World::before(&orchestrator).await;
    let own = format!("http://{}", world.address);
    let other_port = "http://127.0.0.1:1".to_owned();
    for (name, value) in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", &other_port),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (method, path) in [
            (Method::POST, "/api/work"),
            (Method::POST, "/api/queue/pause"),
            (Method::POST, "/session"),
            (Method::DELETE, "/session"),
        ] {
            // As a form of another site can send it.
            let request = world
                .request(method, path)
                .header(name, value)
                .header("content-type", "text/plain");
            let (status, _) = error_of(request.body("{}").send().await.unwrap()).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path} with {name}: {value}");
        }
    }
    assert_eq!(orchestrator.requests(), []);

    let item =
        json!({ "repo": "octocat/hello", "source": "api", "sourceRef": "1", "description": "Say hello." });
    for (name, value) in [("origin", own.as_str()), ("sec-fetch-site", "same-origin")] {
        let request = world
            .request(Method::POST, "/api/work")
            .header(name, value)
            .json(&item);
        assert!(
            request.send().await.unwrap().status().is_success(),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn pages_of_other_sites_cannot_call_the_api_and_get_no_permission_to() {
    let orchestrator = Orchestrator::start();
    let world = World::before(&orchestrator).await;
    for site in ["cross-site", "same-site"] {
        let answer = world
            .request(Method::GET, "/api/work")
            .header("sec-fetch-site", site)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{site}");
    }
    let preflight = world
        .request(Method::OPTIONS, "/api/work")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(!preflight.headers().contains_key("access-control-allow-origin"));
    assert_eq!(orchestrator.requests(), []);
    // A link of another site to a page is followed.
    let link = world
        .request(Method::GET, "/queue")
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .unwrap();
    assert_eq!(link.status(), StatusCode::OK);
}

#[tokio::test]
async fn reports_of_the_content_security_policy_are_accepted_within_limits() {
    let world = World::with(&[("DASHBOARD_PASSWORD", PASSWORD)]).await;
    let report = async |body: String| {
        let request = world
            .request(Method::POST, "/csp-report")
            .header("content-type", "application/csp-report");
        request.body(body).send().await.unwrap().status()
    };
    let sent = json!({ "csp-report": {
        "document-uri": "http://localhost:3003/work/1", "effective-directive": "script-src-elem",
        "blocked-uri": "inline", "line-number": 3, "status-code": 200,
    } });
    // More than are logged: all are counted.
    for _ in 0..12 {
        assert_eq!(report(sent.to_string()).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(report(String::new()).await, StatusCode::BAD_REQUEST);
    assert_eq!(report("[]".to_owned()).await, StatusCode::BAD_REQUEST);
    assert_eq!(report(" ".repeat(20_000)).await, StatusCode::PAYLOAD_TOO_LARGE);
}
