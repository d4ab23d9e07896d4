//! What requests to the model API cost.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use uuid::Uuid;
use whim_core::WorkerId;

use crate::app::TestApp;

const KEY: &str = "the-key-of-gateways";
const GATEWAY: [(&str, &str); 2] = [("GATEWAY_URL", "http://10.1.2.3:3008/"), ("GATEWAY_KEY", KEY)];

fn request(worker: WorkerId, model: &str) -> Value {
    json!({
        "id": Uuid::now_v7(), "workerId": worker, "model": model, "requestId": "req_1",
        "tokens": { "input": 1000, "output": 200, "cacheRead": 50_000, "cacheWrite": 4000, "cacheWriteHour": 100 },
        "isReported": true,
    })
}

async fn report(app: &TestApp, requests: &[Value]) -> (u16, Value) {
    let url = app.addresses.api.join("/api/gateway/usage").unwrap();
    let body = json!({ "requests": requests });
    let response = app.http.post(url).bearer_auth(KEY).json(&body).send();
    let response = response.await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

async fn costs(app: &TestApp, query: &str) -> Value {
    let (status, answer) = app.get(&format!("/api/costs?{query}")).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn each_request_counts_once_at_its_price_and_is_summed_by_every_key() {
    let app = TestApp::with(&GATEWAY).await;
    let (item, worker) = app.running().await;
    let (known, unknown) = (
        request(worker, "claude-sonnet-5-5"),
        request(worker, "=a new,\"model\""),
    );

    let (status, answer) = report(&app, &[known.clone(), unknown.clone()]).await;
    assert_eq!((status, &answer["recorded"]), (200, &json!(2)), "{answer}");
    let mut broken_off = request(worker, "claude-sonnet-5-5");
    broken_off["isReported"] = json!(false);
    let (_, answer) = report(&app, &[known, unknown, broken_off]).await;
    assert_eq!(answer["recorded"], 1, "{answer}");

    // 1000 × 2 + 200 × 10 + 50,000 × 0.1 + 4000 × 2.5 + 100 × 4, and at the highest prices.
    let (known, dearest) = (19_400, 15_000 + 15_000 + 75_000 + 75_000 + 3_000);
    let by_model = costs(&app, "by=model").await;
    assert_eq!(by_model["totalMicroDollars"], 2 * known + dearest, "{by_model:#}");
    let row = |index: usize| {
        let row = &by_model["rows"][index];
        json!([
            row["key"],
            row["requests"],
            row["microDollars"],
            row["estimatedMicroDollars"]
        ])
    };
    assert_eq!(row(0), json!(["=a new,\"model\"", 1, dearest, dearest]));
    assert_eq!(row(1), json!(["claude-sonnet-5-5", 2, 2 * known, known]));
    for (by, key) in [
        ("repo", item.repo.as_str().to_lowercase()),
        ("stage", "work".to_owned()),
        ("person", String::new()),
    ] {
        let report = costs(&app, &format!("by={by}&workItemId={}", item.id)).await;
        assert_eq!(report["rows"].as_array().unwrap().len(), 1, "{report:#}");
        assert_eq!(report["rows"][0]["key"], json!(key), "{report:#}");
        assert_eq!(report["rows"][0]["tokens"]["cacheRead"], 150_000, "{report:#}");
    }
    let today = costs(&app, "").await;
    assert_eq!(today["rows"][0]["key"], today["to"], "{today:#}");
    assert_eq!(costs(&app, "repo=octocat/other").await["rows"], json!([]));

    let url = app.addresses.api.join("/api/costs/csv?by=model").unwrap();
    let response = app.http.get(url).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let csv = response.text().await.unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert_eq!(
        lines[1],
        format!("\"'=a new,\"\"model\"\"\",1,1000,200,50000,4000,100,{dearest},{dearest}")
    );
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_report_is_refused_with_its_field_and_stores_nothing() {
    let app = TestApp::with(&GATEWAY).await;
    let (_, worker) = app.running().await;
    let good = request(worker, "claude-sonnet-5-5");
    let mut blank = good.clone();
    blank["model"] = json!(" ");
    let mut absurd = good.clone();
    absurd["tokens"]["output"] = json!(1_000_000_001);
    let mut long = good.clone();
    long["requestId"] = json!("x".repeat(201));
    for (requests, field) in [
        (vec![], "requests"),
        (vec![good.clone(); 501], "requests"),
        (vec![good.clone(), blank], "requests.model"),
        (vec![absurd], "requests.tokens.output"),
        (vec![long], "requests.requestId"),
    ] {
        let (status, answer) = report(&app, &requests).await;
        assert_eq!(status, 400, "{answer}");
        assert_eq!(answer["details"]["field"], field, "{answer}");
    }
    // A worker that is not known has no item to count it for.
    let (status, answer) = report(&app, &[request(WorkerId::new(), "claude-sonnet-5-5")]).await;
    assert_eq!((status, &answer["recorded"]), (200, &json!(0)), "{answer}");
    assert_eq!(costs(&app, "").await["rows"], json!([]));

    let (status, answer) = app.get("/api/costs?by=mood").await;
    assert_eq!(status, 400, "{answer}");
    let (status, answer) = app.get("/api/costs?from=tomorrow").await;
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer.to_string().contains("for a day a date such as"),
        "{answer}"
    );
    let (status, answer) = app.get("/api/costs?from=2020-01-01").await;
    assert_eq!(status, 400, "{answer}");
    app.stop().await;
}
