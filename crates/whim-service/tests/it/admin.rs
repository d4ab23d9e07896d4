use std::convert::Infallible;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use whim_service::admin::{Admin, serve};
use whim_service::metrics::{Family, Kind, Metrics};
use whim_service::readiness::Readiness;
use whim_service::reconcile::{Activator, Reconciler, Reconcilers};
use whim_service::supervisor::{Phase, Supervisor};
use whim_service::telemetry::{LogLevels, Style, install_crypto, subscriber};

struct CountsToThree;

impl Reconciler for CountsToThree {
    type Report = Value;
    type Error = Infallible;

    async fn reconcile(&self) -> Result<Value, Infallible> {
        Ok(json!({ "counted": 3 }))
    }
}

struct Server {
    supervisor: Supervisor,
    readiness: Readiness,
    reconcilers: Reconcilers,
    client: reqwest::Client,
    base: String,
}

/// The levels of a subscriber that lives as long as the returned guard.
fn levels() -> (tracing::subscriber::DefaultGuard, LogLevels) {
    let (subscriber, levels) = subscriber(Style::Pretty, "info", std::io::sink).unwrap();
    (tracing::subscriber::set_default(subscriber), levels)
}

async fn start(levels: LogLevels) -> Server {
    install_crypto();
    let supervisor = Supervisor::new();
    let readiness = Readiness::new();
    let reconcilers = Reconcilers::new(supervisor.phase(Phase::Work).clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let admin = Admin {
        readiness: readiness.clone(),
        statuses: reconcilers.statuses(),
        levels,
        metrics: Metrics::install("a-test", "1.2.3", &[LATENCY]),
    };
    supervisor.critical("admin", serve(listener, admin, supervisor.token()));
    Server {
        supervisor,
        readiness,
        reconcilers,
        client: reqwest::Client::new(),
        base,
    }
}

impl Server {
    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self
            .client
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn put_level(&self, level: &'static str) -> (StatusCode, String) {
        let answer = self
            .client
            .put(format!("{}/log-level", self.base))
            .body(level)
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn ready_follows_the_latches_and_live_does_not() {
    let (_guard, levels) = levels();
    let server = start(levels).await;
    let latch = server.readiness.latch("database");

    let (status, body) = server.get("/ready").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body, json!({ "ready": false, "waitingFor": ["database"] }));
    assert_eq!(server.get("/live").await.0, StatusCode::OK);

    latch.release();
    assert_eq!(server.get("/ready").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_last_report_of_each_reconciler_is_shown() {
    let (_guard, levels) = levels();
    let server = start(levels).await;
    server.reconcilers.start(
        "counts",
        Some("a/b"),
        Duration::from_secs(3600),
        &Activator::new(),
        CountsToThree,
    );

    server.reconcilers.statuses().wait_for_first_runs().await;
    let (status, body) = server.get("/tasks").await;

    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body["counts:a/b"]["last"]["outcome"],
        json!({ "done": { "counted": 3 } })
    );
    assert_eq!(body["counts:a/b"]["runs"], 1);
}

const LATENCY: Family = Family {
    name: "whim_test_seconds",
    kind: Kind::Histogram(&[0.5, 1.0]),
    help: "How long a test took",
};

#[tokio::test]
async fn what_the_process_counts_is_shown_for_prometheus() {
    let (_guard, levels) = levels();
    let server = start(levels).await;
    let period = Duration::from_secs(3600);
    server
        .reconcilers
        .start("counts", Some("a/b"), period, &Activator::new(), CountsToThree);
    server.reconcilers.statuses().wait_for_first_runs().await;
    metrics::histogram!(LATENCY.name).record(0.7);

    let (status, text) = server.get("/metrics").await;

    assert_eq!(status, StatusCode::OK);
    for line in [
        "whim_build_info{program=\"a-test\",version=\"1.2.3\"} 1",
        "# TYPE whim_task_runs_total counter",
        "whim_task_runs_total{task=\"counts\",outcome=\"done\"}",
        "# HELP whim_test_seconds How long a test took",
        "# TYPE whim_test_seconds histogram",
        "whim_test_seconds_bucket{le=\"0.5\"} 0",
        "whim_test_seconds_bucket{le=\"1\"} 1",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn the_log_level_is_shown_and_changed_and_nonsense_is_refused() {
    let (_guard, levels) = levels();
    let server = start(levels).await;

    assert_eq!(server.put_level("debug\n").await.0, StatusCode::NO_CONTENT);
    assert_eq!(
        server.get("/log-level").await,
        (StatusCode::OK, "debug".to_owned())
    );
    let (status, why) = server.put_level("x=loud").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.contains("x=loud"), "{why}");
}

#[tokio::test]
async fn a_port_that_others_can_reach_is_refused() {
    let (_guard, levels) = levels();
    let server = start(levels.clone()).await;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let admin = Admin {
        readiness: Readiness::new(),
        statuses: server.reconcilers.statuses(),
        levels,
        metrics: Metrics::install("a-test", "1.2.3", &[LATENCY]),
    };
    let refused = serve(listener, admin, server.supervisor.token())
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("no authentication"), "{refused:#}");
}

#[tokio::test]
async fn serving_ends_when_the_process_stops() {
    let (_guard, levels) = levels();
    let server = start(levels).await;
    assert_eq!(server.get("/live").await.0, StatusCode::OK);

    let report = server.supervisor.stop(Duration::from_secs(10)).await;

    assert!(report.unfinished.is_empty(), "{report:?}");
    server
        .client
        .get(format!("{}/live", server.base))
        .send()
        .await
        .unwrap_err();
}
