//! The Prometheus metrics and their documentation.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use whim_core::WorkItemStatus;
use whim_orchestrator::metrics;
use whim_orchestrator::queue_sampler::QueueSampler;
use whim_orchestrator::serve::metric_families;
use whim_service::metrics::{Metrics, Sample};

use crate::api::reviews::review;
use crate::app::TestApp;
use crate::world::{World, complete};

const DOCUMENTED: &str = include_str!("../../../../../docs/metrics.md");

/// Installs the metrics recorder of this process.
fn install() -> Metrics {
    let metrics = Metrics::install("whim-orchestrator", "test", &metric_families());
    metrics::initialise();
    metrics
}

fn sampled(metrics: Metrics, app: &whim_orchestrator::app::App) -> Metrics {
    let sampler = Arc::new(QueueSampler::new(app.clone()));
    let sample: Sample = Arc::new(move || {
        let sampler = Arc::clone(&sampler);
        Box::pin(async move { sampler.sample().await })
    });
    metrics.with_sample(sample)
}

/// Kind and labels of each metric by its name.
type Shown = BTreeMap<String, (String, BTreeSet<String>)>;

fn shown(text: &str) -> Shown {
    let mut shown = Shown::new();
    for line in text.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (name, kind) = declared.split_once(' ').unwrap();
            shown.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        }
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, labels)) = line.split_once('{') else {
            continue;
        };
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| {
                series
                    .strip_suffix(suffix)
                    .filter(|name| shown.contains_key(*name))
            })
            .unwrap_or(series);
        let (labels, _value) = labels.rsplit_once("} ").unwrap();
        let names = labels
            .split("\",")
            .map(|label| label.split_once('=').unwrap().0.to_owned());
        let (_, known) = shown.get_mut(name).unwrap();
        known.extend(names.filter(|name| name != "le"));
    }
    shown
}

fn documented() -> Shown {
    let quoted = |cell: &str| -> BTreeSet<String> {
        let parts = cell.split('`').skip(1).step_by(2);
        parts.map(str::to_owned).collect()
    };
    let (of_the_orchestrator, _) = DOCUMENTED.split_once("\n## Dashboard\n").unwrap();
    let rows = of_the_orchestrator.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`').to_owned();
        (name, (cells[2].to_owned(), quoted(cells[3])))
    })
    .collect()
}

#[tokio::test]
async fn the_documented_metrics_are_exactly_those_that_are_shown() {
    let metrics = install();
    let app = TestApp::start().await;
    let metrics = sampled(metrics, &app.app);
    let (item, worker) = app.running().await;
    let (status, _) = app.worker_call(worker, "review", &review(1)).await;
    assert_eq!(status, 201);
    let (status, answer) = app.worker_call(worker, "complete", &complete()).await;
    assert_eq!(status, 200, "{answer}");
    app.wait_for_status(item.id, WorkItemStatus::Completed).await;
    let (status, _) = app.get("/api/work").await;
    assert_eq!(status, 200);

    let text = metrics.render().await;

    let mut documented = documented();
    let shown = shown(&text);
    // Exported only if there is a limit.
    if !shown.contains_key("process_virtual_memory_max_bytes") {
        documented.remove("process_virtual_memory_max_bytes");
    }
    assert_eq!(shown, documented, "{text}");
    for series in [
        "whim_claims_total 1",
        "whim_work_item_transitions_total{to=\"queued\"} 1",
        "whim_work_item_transitions_total{to=\"assigned\"} 1",
        "whim_work_item_transitions_total{to=\"in_progress\"} 1",
        "whim_work_item_transitions_total{to=\"completed\"} 1",
        "whim_work_item_transitions_total{to=\"failed\"} 0",
        "whim_worker_starts_total{outcome=\"started\"} 1",
        "whim_attempts_ended_total{outcome=\"completed\"} 1",
        "whim_attempt_duration_seconds_count{status=\"completed\"} 1",
        "whim_queue_wait_seconds_count 1",
        "whim_claim_duration_seconds_count 1",
        "whim_reviews_total{verdict=\"changes_requested\"} 1",
        "whim_dependency_up{dependency=\"postgres\"} 1",
        "whim_dependency_up{dependency=\"redis\"} 1",
        "whim_worker_slots 2",
        "whim_queue_paused 0",
        "whim_http_requests_total{listener=\"workers\",route=\"/api/worker/{id}/complete\",method=\"POST\",status=\"200\"} 1",
        "whim_http_requests_total{listener=\"api\",route=\"/api/work\",method=\"GET\",status=\"200\"} 1",
    ] {
        assert!(
            text.lines().any(|line| line == series),
            "{series} is missing in:\n{text}"
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn the_depth_of_the_queue_is_shown_by_state_with_the_age_of_the_oldest() {
    let metrics = install();
    let world = World::new().await;
    let metrics = sampled(metrics, &world.app);
    world.running().await;
    let waiting = world.submit().await;
    world.submit().await;
    world.submit().await;
    let wanted = json!({ "repo": "octocat/hello", "description": "x" });
    world.post("/api/work", &wanted).await.expect(201);
    world.post("/api/queue/pause", &json!({})).await.expect(200);
    sqlx::query(
        "update work_items set queued_at = now() - interval '1 hour' where id <> $1 and status = 'queued'",
    )
    .bind(waiting.as_uuid())
    .execute(&world.pool)
    .await
    .unwrap();
    sqlx::query("update work_items set next_retry_at = now() + interval '1 hour', queued_at = now() - interval '1 day' where id = $1")
        .bind(waiting.as_uuid())
        .execute(&world.pool)
        .await
        .unwrap();

    let text = metrics.render().await;

    for series in [
        "whim_work_items{status=\"queued\"} 3",
        "whim_work_items{status=\"generating\"} 1",
        "whim_work_items{status=\"in_progress\"} 1",
        "whim_work_items{status=\"assigned\"} 0",
        "whim_work_items_in_backoff 1",
        "whim_queue_paused 1",
        "whim_workers{status=\"running\"} 1",
        "whim_budget_iterations{state=\"reserved\"} 10",
    ] {
        assert!(
            text.lines().any(|line| line == series),
            "{series} is missing in:\n{text}"
        );
    }
    let age = text
        .lines()
        .find_map(|line| line.strip_prefix("whim_queue_oldest_age_seconds "))
        .unwrap();
    let age: f64 = age.parse().unwrap();
    assert!((3600.0..3600.0 + 300.0).contains(&age), "{age}");

    // Scrapes read a cached sample: the database is queried at most once per interval.
    world.submit().await;
    let soon = metrics.render().await;
    assert!(soon.contains("whim_work_items{status=\"queued\"} 3\n"), "{soon}");
}

#[tokio::test]
async fn unknown_paths_create_no_series() {
    let metrics = install();
    let world = World::new().await;
    for path in [
        "/canary-1",
        "/api/canary-2",
        "/api/work/canary-3",
        "/api/work?status=canary-4",
    ] {
        world.get(path).await;
    }
    let strange = crate::world::request("CANARY".parse().unwrap(), "/api/work");
    world.send(strange.body(axum::body::Body::empty()).unwrap()).await;

    let text = metrics.render().await;

    assert!(!text.to_lowercase().contains("canary"), "{text}");
    assert!(
        text.contains("route=\"unknown\",method=\"GET\",status=\"404\""),
        "{text}"
    );
    assert!(text.contains("method=\"other\",status=\"405\""), "{text}");
}
