//! Compares what a running orchestrator answers, and the events that it recorded, with `openapi.json`.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use url::Url;
use whim_testkit::api_document::ApiDocument;

const DOCUMENT: &str = include_str!("../../../openapi.json");

/// Routes that answer with JSON. `{item}` and `{worker}` stand for an identifier of each item and worker.
const ROUTES: [&str; 20] = [
    "/health",
    "/api/status",
    "/api/tasks",
    "/api/queue",
    "/api/work",
    "/api/work?limit=1",
    "/api/work/{item}",
    "/api/work/{item}/explain",
    "/api/work/{item}/transcript?limit=200",
    "/api/work/{item}/diff",
    "/api/work/{item}/timeline",
    "/api/workers",
    "/api/locks",
    "/api/metrics",
    "/api/metrics/daily",
    "/api/settings",
    "/api/learnings",
    "/api/reviews",
    "/api/repositories/acme/unknown/preflight",
    "/api/work/not-an-identifier",
];

/// The orchestrator sends a comment when there was no event for this long: then every recorded event was received.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// # Errors
/// An answer or an event is not as documented, or the orchestrator does not answer.
pub async fn check(api: &Url, api_key: &str) -> anyhow::Result<()> {
    let document = serde_json::from_str(DOCUMENT).context("reading openapi.json")?;
    let checker = Checker {
        document: ApiDocument::new(document),
        http: reqwest::Client::new(),
        api,
        api_key,
    };
    let items = identifiers(&checker.get("/api/work").await?);
    let workers = checker.get("/api/workers").await?;
    let workers = identifiers(&workers);
    for route in ROUTES {
        if route.contains("{item}") {
            for item in &items {
                checker.get(&route.replace("{item}", item)).await?;
            }
        } else {
            checker.get(route).await?;
        }
    }
    checker.replay("/api/events?lastEventId=0").await?;
    for worker in workers.iter().take(1) {
        checker
            .replay(&format!("/api/workers/{worker}/events?lastEventId=0"))
            .await?;
    }
    Ok(())
}

struct Checker<'a> {
    document: ApiDocument,
    http: reqwest::Client,
    api: &'a Url,
    api_key: &'a str,
}

impl Checker<'_> {
    async fn open(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let url = self.api.join(path).with_context(|| format!("joining {path}"))?;
        let request = self.http.get(url).bearer_auth(self.api_key);
        request.send().await.with_context(|| format!("requesting {path}"))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let response = self.open(path).await?;
        let status = response.status().as_u16();
        let content_type = response.headers().get("content-type");
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let content_type = content_type.to_owned();
        let body = response
            .bytes()
            .await
            .with_context(|| format!("reading {path}"))?;
        self.document
            .check_response("GET", path, status, &content_type, &body)?;
        serde_json::from_slice(&body).with_context(|| format!("reading {path}"))
    }

    /// Checks every recorded event of a stream.
    async fn replay(&self, path: &str) -> anyhow::Result<()> {
        let mut stream = self.open(path).await?;
        let (mut unread, mut events) = (Vec::new(), 0_u32);
        loop {
            let chunk = tokio::time::timeout(KEEP_ALIVE_TIMEOUT, stream.chunk()).await;
            let Some(chunk) = chunk.context("waiting for the comment that follows the events")?? else {
                bail!("{path} ended");
            };
            unread.extend_from_slice(&chunk);
            while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                let line = String::from_utf8(line).context("an event is not UTF-8")?;
                if let Some(data) = line.strip_prefix("data:") {
                    self.document.check_event(data)?;
                    events += 1;
                } else if line.starts_with(':') && events > 0 {
                    return Ok(());
                }
            }
        }
    }
}

fn identifiers(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items
        .filter_map(|item| item["id"].as_str().map(str::to_owned))
        .collect()
}
