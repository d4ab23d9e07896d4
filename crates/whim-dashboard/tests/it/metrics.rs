//! The Prometheus metrics and their documentation.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::json;
use tokio::net::TcpListener;
use whim_dashboard::app::{self, Listeners};
use whim_service::supervisor::Supervisor;
use whim_service::telemetry::{Style, subscriber};

use crate::world::{PASSWORD, built, config};

const DOCUMENTED: &str = include_str!("../../../../docs/metrics.md");

/// The kinds of the dashboard's own metrics by name, and of those that it shares with the orchestrator.
fn documented() -> BTreeMap<String, String> {
    let rows = DOCUMENTED
        .lines()
        .filter(|line| line.starts_with("| `whim_dashboard_") || line.starts_with("| `whim_http_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

#[tokio::test]
async fn the_documented_metrics_are_exactly_those_that_are_shown() {
    whim_service::telemetry::install_crypto();
    let config = config(&[
        ("DASHBOARD_PASSWORD", PASSWORD),
        ("ORCHESTRATOR_URL", "http://127.0.0.1:1"),
    ]);
    let pages = TcpListener::bind(config.address).await.unwrap();
    let admin = TcpListener::bind(config.address).await.unwrap();
    let (url, admin_url) = (
        format!("http://{}", pages.local_addr().unwrap()),
        format!("http://{}", admin.local_addr().unwrap()),
    );
    let (_subscriber, levels) = subscriber(Style::Pretty, "off", std::io::sink).unwrap();
    let supervisor = Supervisor::new();
    let listeners = Listeners {
        pages,
        admin: Some((admin, levels)),
    };
    app::start(&config, built(), &supervisor, listeners, None).unwrap();

    let client = reqwest::Client::new();
    client.get(format!("{url}/work/1")).send().await.unwrap();
    client.get(format!("{url}/api/status")).send().await.unwrap();
    let password = |text: &str| {
        client
            .post(format!("{url}/session"))
            .json(&json!({ "password": text }))
            .send()
    };
    password("wrong").await.unwrap();
    let login = password(PASSWORD).await.unwrap();
    let cookie = crate::world::cookie_of(login.headers());
    client
        .get(format!("{url}/api/status"))
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    let report = json!({ "csp-report": { "effective-directive": "script-src" } });
    client
        .post(format!("{url}/csp-report"))
        .body(report.to_string())
        .send()
        .await
        .unwrap();
    client
        .request(Method::from_bytes(b"BREW").unwrap(), format!("{url}/pot"))
        .send()
        .await
        .unwrap();

    let shown = client
        .get(format!("{admin_url}/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let kinds: BTreeMap<String, String> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .filter(|(name, _)| name.starts_with("whim_dashboard_") || name.starts_with("whim_http_"))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    assert_eq!(kinds, documented());
    for line in [
        r#"whim_http_requests_total{listener="dashboard",route="pages",method="GET",status="200"} 1"#,
        r#"whim_http_requests_total{listener="dashboard",route="/api/status",method="GET",status="401"} 1"#,
        r#"whim_http_requests_total{listener="dashboard",route="/api/status",method="GET",status="502"} 1"#,
        r#"whim_http_requests_total{listener="dashboard",route="pages",method="other",status="405"} 1"#,
        r#"whim_dashboard_logins_total{outcome="accepted"} 1"#,
        r#"whim_dashboard_logins_total{outcome="refused"} 1"#,
        r#"whim_dashboard_logins_total{outcome="limited"} 0"#,
        r#"whim_dashboard_refused_requests_total{reason="session"} 1"#,
        r#"whim_dashboard_upstream_failures_total{cause="unreachable"} 1"#,
        r#"whim_dashboard_csp_reports_total{directive="script-src"} 1"#,
        "whim_dashboard_event_streams 0",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    supervisor.stop(app::STOP_DEADLINE).await;
}
