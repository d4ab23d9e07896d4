//! Background tasks with their last reports.

use reqwest::StatusCode;
use serde_json::Value;

use crate::app::TestApp;

#[tokio::test]
async fn each_background_task_is_listed_with_its_last_report_or_error() {
    // Nothing listens on this port.
    let app = TestApp::with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    app.app.tasks.wait_for_first_runs().await;

    let (status, answer) = app.get("/api/tasks").await;

    assert_eq!(status, StatusCode::OK);
    let tasks = answer["tasks"].as_array().expect("a list");
    let names: Vec<&str> = tasks.iter().filter_map(|task| task["name"].as_str()).collect();
    assert_eq!(
        names,
        [
            "breakers",
            "budget",
            "compact_counts",
            "expired_leases",
            "garbage",
            "learnings",
            "locks",
            "long_transactions",
            "partitions",
            "reap",
            "retries",
            "terminate",
        ]
    );
    let task = |name: &str| -> &Value {
        let task = tasks.iter().find(|task| task["name"] == name);
        task.unwrap_or_else(|| panic!("{name} is missing: {answer:#}"))
    };
    let succeeded = task("expired_leases");
    assert_eq!(succeeded["periodSeconds"], 0.2);
    assert_eq!(succeeded["failuresInARow"], 0);
    assert_eq!(succeeded["lastRun"]["error"], Value::Null);
    assert!(succeeded["lastRun"]["report"].is_object(), "{succeeded:#}");
    let failed = task("locks");
    assert!(failed["failuresInARow"].as_u64() > Some(0), "{failed:#}");
    let error = failed["lastRun"]["error"].as_str().expect("an error");
    assert!(error.contains("Redis"), "{error}");
    app.stop().await;
}
