//! The Prometheus metrics and their documentation.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use whim_gateway::app::{self, Listeners};
use whim_service::supervisor::Supervisor;
use whim_service::telemetry::{Style, subscriber};
use whim_testkit::anthropic::Anthropic;

use crate::lookup::Lookup;
use crate::world::{Names, config};

const DOCUMENTED: &str = include_str!("../../../../docs/metrics.md");

/// The kinds of the gateway's own metrics by name.
fn documented() -> BTreeMap<String, String> {
    let rows = DOCUMENTED
        .lines()
        .filter(|line| line.starts_with("| `whim_gateway_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

#[tokio::test]
async fn the_documented_metrics_are_exactly_those_that_are_shown() {
    whim_service::telemetry::install_crypto();
    let anthropic = Anthropic::start().unwrap();
    let lookup = Lookup::start().await;
    let url = anthropic.url();
    let config = config(BTreeMap::from([
        ("GITHUB_TOKEN", "unused"),
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", anthropic.api_key()),
        ("ORCHESTRATOR_URL", &lookup.url),
    ]));
    let gateway = TcpListener::bind(config.address).await.unwrap();
    let admin = TcpListener::bind(config.address).await.unwrap();
    let (url, admin_url) = (
        format!("http://{}", gateway.local_addr().unwrap()),
        format!("http://{}", admin.local_addr().unwrap()),
    );
    let (_subscriber, levels) = subscriber(Style::Pretty, "off", std::io::sink).unwrap();
    let supervisor = Supervisor::new();
    let listeners = Listeners {
        gateway,
        admin: Some((admin, levels)),
    };
    app::start(&config, Arc::new(Names::default()), &supervisor, listeners, None).unwrap();
    lookup.add("t", crate::world::attempt_of_agent());

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |token: &str| {
        let request = client
            .post(format!("{url}/anthropic/v1/messages"))
            .header("x-api-key", token)
            .header("anthropic-version", "2023-06-01");
        let body = json!({
            "model": "claude-sonnet-5-5", "max_tokens": 10, "stream": true,
            "messages": [{ "role": "user", "content": "Hello" }],
        });
        request.json(&body).send()
    };
    ask("t").await.unwrap().text().await.unwrap();
    ask("guessed").await.unwrap();
    anthropic.begin_outage(529, "Overloaded");
    ask("t").await.unwrap();

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
        .filter(|(name, _)| name.starts_with("whim_gateway_"))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let mut expected = documented();
    // Shown once a tunnel was closed.
    expected.remove("whim_gateway_tunnel_bytes_total");
    assert_eq!(kinds, expected);
    for line in [
        r#"whim_gateway_requests_total{part="model",status="200"} 1"#,
        r#"whim_gateway_requests_total{part="model",status="529"} 1"#,
        r#"whim_gateway_refusals_total{part="model",reason="unknown_token"} 1"#,
        r#"whim_gateway_model_limits_total{limit="overloaded"} 1"#,
        r#"whim_gateway_model_limits_total{limit="spend"} 0"#,
        "whim_gateway_model_streams 0",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} in\n{shown}");
    }
    let tokens = shown
        .lines()
        .filter_map(|line| line.strip_prefix(r#"whim_gateway_model_tokens_total{kind="output"} "#))
        .any(|tokens| tokens.parse::<u64>().unwrap() > 0);
    assert!(tokens, "{shown}");
    supervisor.stop(app::STOP_DEADLINE).await;
}
