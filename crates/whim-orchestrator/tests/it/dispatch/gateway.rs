//! Workers behind a gateway: what they get, and what the gateway learns about their tokens.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use reqwest::StatusCode;
use serde_json::{Value, json};
use whim_core::{TokenHash, WorkItemStatus};

use crate::app::TestApp;

const KEY: &str = "the-key-of-gateways";
const GATEWAY: [(&str, &str); 2] = [("GATEWAY_URL", "http://10.1.2.3:3008/"), ("GATEWAY_KEY", KEY)];

async fn find(app: &TestApp, key: Option<&str>, token: &str) -> (StatusCode, Value) {
    let url = app.addresses.api.join("/api/gateway/attempts").unwrap();
    let request = app
        .http
        .post(url)
        .json(&json!({ "tokenHash": TokenHash::of(token) }));
    let request = match key {
        Some(key) => request.bearer_auth(key),
        None => request,
    };
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_worker_behind_a_gateway_gets_its_addresses_and_no_credential_of_the_operator() {
    let proxies = [("HTTP_PROXY", "http://proxy:3128"), ("no_proxy", "intranet")];
    let app = TestApp::with(&[GATEWAY.as_slice(), &proxies].concat()).await;
    let item = app.submit().await;
    let worker = app.wait_for_worker(item.id).await;
    let spec = app.runtime.spec(worker);

    let variable = |name: &str| spec.environment.get(name).map(String::as_str);
    assert_eq!(variable("GITHUB_API_URL"), Some("http://10.1.2.3:3008/github"));
    assert_eq!(variable("GITHUB_GIT_URL"), Some("http://10.1.2.3:3008/git"));
    assert_eq!(
        variable("ANTHROPIC_BASE_URL"),
        Some("http://10.1.2.3:3008/anthropic")
    );
    assert_eq!(variable("GITHUB_HOST"), Some("github.com"));
    // The runtime has no network of its own.
    assert_eq!(variable("EGRESS_PROXY_URL"), None);
    assert_eq!(variable("HTTP_PROXY"), Some("http://proxy:3128"));
    assert_eq!(variable("no_proxy"), Some("intranet,10.1.2.3"));
    assert_eq!(variable("NO_PROXY"), Some("intranet,10.1.2.3"));

    let files: Vec<&str> = spec.credentials.iter().map(|file| file.file_name).collect();
    assert_eq!(files, ["worker-token", "github-token", "gateway-token"]);
    for file in files {
        let secret = app.runtime.credential(worker, file);
        assert!(
            !["a-github-token", "an-anthropic-key", KEY].contains(&secret.as_str()),
            "{file}"
        );
        assert!(
            !spec.environment.values().any(|value| value.contains(&secret)),
            "{file}"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn each_token_names_its_attempt_as_long_as_the_worker_has_its_item() {
    let app = TestApp::with(&GATEWAY).await;
    let (item, worker) = app.running().await;
    for (file, scope) in [("gateway-token", "agent"), ("github-token", "delivery")] {
        let (status, attempt) = find(&app, Some(KEY), &app.runtime.credential(worker, file)).await;
        assert_eq!(status, StatusCode::OK, "{attempt}");
        let expected = json!({
            "workItemId": item.id, "workerId": worker, "leaseEpoch": 1, "repo": item.repo, "branch": item.branch,
            "headSha": null, "scope": scope,
        });
        assert_eq!(attempt, expected);
    }
    for unknown in [app.runtime.token(worker), "another".to_owned()] {
        assert_eq!(find(&app, Some(KEY), &unknown).await.0, StatusCode::NOT_FOUND);
    }

    let (status, answer) = app
        .post(&format!("/api/work/{}/cancel", item.id), &json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    app.wait_for_status(item.id, WorkItemStatus::Cancelled).await;
    for file in ["gateway-token", "github-token"] {
        let (status, answer) = find(&app, Some(KEY), &app.runtime.credential(worker, file)).await;
        assert_eq!(
            (status, &answer["code"]),
            (StatusCode::NOT_FOUND, &json!("not_found"))
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn only_the_key_of_gateways_finds_attempts() {
    let app = TestApp::with(&[GATEWAY.as_slice(), &[("API_KEY", crate::app::API_KEY)]].concat()).await;
    let (_, worker) = app.running().await;
    let token = app.runtime.credential(worker, "gateway-token");
    for key in [
        None,
        Some(""),
        Some(crate::app::API_KEY),
        Some(&token[..]),
        Some("the-key-of-gateway"),
    ] {
        let (status, answer) = find(&app, key, &token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{key:?} {answer}");
    }
    assert_eq!(find(&app, Some(KEY), &token).await.0, StatusCode::OK);
    // It opens nothing else.
    let status = app
        .http
        .get(app.addresses.api.join("/api/status").unwrap())
        .bearer_auth(KEY);
    assert_eq!(status.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    app.stop().await;

    let without = TestApp::start().await;
    let (status, answer) = find(&without, Some(KEY), &token).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        answer["error"].as_str().unwrap().contains("GATEWAY_URL"),
        "{answer}"
    );
    without.stop().await;
}

async fn report_limit(app: &TestApp, body: &Value) -> (StatusCode, Value) {
    let url = app.addresses.api.join("/api/gateway/limits").unwrap();
    let response = app
        .http
        .post(url)
        .bearer_auth(KEY)
        .json(body)
        .send()
        .await
        .unwrap();
    (response.status(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_limit_that_a_gateway_reports_opens_the_breaker_while_the_attempt_goes_on() {
    let app = TestApp::with(&GATEWAY).await;
    let (item, worker) = app.running().await;
    let mut limit =
        json!({ "workerId": worker, "limit": "rate", "message": "over", "retryAfterSeconds": 3600 });
    for (field, wrong) in [
        ("message", json!("")),
        ("retryAfterSeconds", json!(400 * 24 * 60 * 60)),
        ("limit", json!("patience")),
    ] {
        let mut body = limit.clone();
        body[field] = wrong;
        let (status, answer) = report_limit(&app, &body).await;
        assert_eq!(
            (status, &answer["details"]["field"]),
            (StatusCode::BAD_REQUEST, &json!(field)),
            "{answer}"
        );
    }
    let (_, before) = app.get("/api/status").await;
    assert_eq!(before["breakers"], json!([]));

    for _ in 0..2 {
        let (status, answer) = report_limit(&app, &limit).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert!(
            (3500..=3960).contains(&answer["openForSeconds"].as_u64().unwrap()),
            "{answer}"
        );
    }
    let (_, status) = app.get("/api/status").await;
    let breaker = &status["breakers"][0];
    assert_eq!(
        (&breaker["subject"], &breaker["cause"]),
        (&json!("model"), &json!("model_limited"))
    );
    assert_eq!(app.item(item.id).await.status, WorkItemStatus::InProgress);

    let (cancelled, answer) = app
        .post(&format!("/api/work/{}/cancel", item.id), &json!({}))
        .await;
    assert_eq!(cancelled, StatusCode::OK, "{answer}");
    assert_eq!(report_limit(&app, &limit).await.0, StatusCode::CONFLICT);
    limit["workerId"] = json!(whim_core::WorkerId::new());
    assert_eq!(report_limit(&app, &limit).await.0, StatusCode::NOT_FOUND);
    app.stop().await;
}
