//! The model API through the gateway.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use futures::StreamExt as _;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::time::timeout;
use whim_core::protocol::gateway::ModelLimit;
use whim_testkit::anthropic::{AgentScript, ApiError, Fault};
use whim_testkit::wait::wait_until;

use crate::world::{AGENT, DELIVERY, TIMEOUT, World};

const MESSAGES: &str = "/anthropic/v1/messages?beta=true";

fn asks(is_stream: bool) -> Value {
    let tool = |name: &str| json!({ "name": name, "input_schema": { "type": "object" } });
    json!({
        "model": "claude-sonnet-5-5", "max_tokens": 4096, "stream": is_stream, "tools": [tool("Bash"), tool("Edit")],
        "messages": [{ "role": "user", "content": "The checklist is the file `SPEC.md`." }],
    })
}

impl World {
    async fn ask(&self, token: &str, body: &Value) -> Response {
        self.request(Method::POST, MESSAGES)
            .header("x-api-key", token)
            .header("anthropic-version", "2023-06-01")
            .header("anthropic-beta", "context-management-2025-06-27")
            .json(body)
            .send()
            .await
            .unwrap()
    }

    /// Status, kind and message of an error, in the form of the API's.
    async fn refused(&self, token: &str, body: &Value) -> (StatusCode, String, String) {
        error_of(self.ask(token, body).await).await
    }
}

async fn error_of(answer: Response) -> (StatusCode, String, String) {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["type"], "error", "{body}");
    let text = |field: &str| body["error"][field].as_str().unwrap().to_owned();
    (status, text("type"), text("message"))
}

#[tokio::test]
async fn the_token_is_replaced_by_the_key_and_the_answer_passes_through() {
    let world = World::new().await;
    for (is_stream, end) in [(true, "message_stop"), (false, "stop_reason")] {
        let answer = world.ask(AGENT, &asks(is_stream)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let text = answer.text().await.unwrap();
        assert!(text.contains(end), "{text}");
    }
    let bearer = world
        .request(Method::POST, "/anthropic/v1/messages")
        .bearer_auth(AGENT)
        .header("anthropic-version", "2023-06-01")
        .json(&asks(false));
    assert_eq!(bearer.send().await.unwrap().status(), StatusCode::OK);
    // The bodies are those of the agent.
    let bodies: Vec<Value> = world
        .anthropic
        .requests()
        .into_iter()
        .map(|request| request.body)
        .collect();
    assert_eq!(bodies, [asks(true), asks(false), asks(false)]);
    assert_eq!(world.anthropic.violations(), [""; 0]);
}

#[tokio::test]
async fn the_token_of_a_plan_is_sent_as_a_bearer_token() {
    let world = World::new().await;
    // The fake accepts its key in either header.
    let url = world.anthropic.url();
    let other = World::with(&[
        ("ANTHROPIC_BASE_URL", &url),
        ("CLAUDE_CODE_OAUTH_TOKEN", world.anthropic.api_key()),
        ("ANTHROPIC_API_KEY", "not-for-agents"),
    ])
    .await;
    assert_eq!(other.ask(AGENT, &asks(false)).await.status(), StatusCode::OK);
    assert_eq!(world.anthropic.requests().len(), 1);
}

#[tokio::test]
async fn a_stream_is_not_held_back() {
    let world = World::new().await;
    world
        .anthropic
        .when_agent_reads("SPEC.md", AgentScript::Fault(Fault::SilenceMidAnswer));
    let answer = world.ask(AGENT, &asks(true)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut chunks = answer.bytes_stream();
    let first = timeout(TIMEOUT, chunks.next())
        .await
        .expect("the stream is held back");
    assert!(String::from_utf8_lossy(&first.unwrap().unwrap()).contains("message_start"));
}

#[tokio::test]
async fn a_stream_that_breaks_off_breaks_off_for_the_agent_too() {
    let world = World::new().await;
    world
        .anthropic
        .when_agent_reads("SPEC.md", AgentScript::Fault(Fault::CutMidAnswer));
    let answer = world.ask(AGENT, &asks(true)).await;
    let chunks: Vec<_> = timeout(TIMEOUT, answer.bytes_stream().collect()).await.unwrap();
    assert!(chunks.last().unwrap().is_err());
}

#[tokio::test]
async fn a_limit_of_the_account_is_reported_once() {
    let world = World::new().await;
    let refuse = |status: u16, retry_after: Option<u64>| {
        let error = ApiError {
            status,
            times: Some(2),
            retry_after: retry_after.map(Duration::from_secs),
        };
        let script = AgentScript::Fault(Fault::Error(error));
        world.anthropic.when_agent_reads("SPEC.md", script);
    };
    // One attempt alone is no evidence of these.
    for (status, retry_after) in [
        (429, Some(5)),
        (429, Some(3600)),
        (529, None),
        (404, None),
        (401, None),
    ] {
        refuse(status, retry_after);
    }
    refuse(402, Some(3600));
    for _ in 0..12 {
        assert!(!world.ask(AGENT, &asks(false)).await.status().is_success());
    }

    let reported = wait_until("a report", TIMEOUT, async || match world.lookup.limits() {
        limits if limits.is_empty() => Err("none"),
        limits => Ok(limits),
    });
    let reported = reported.await.unwrap();
    assert_eq!(reported.len(), 1, "{reported:?}");
    assert_eq!(
        (reported[0].limit, reported[0].retry_after_seconds),
        (ModelLimit::Spend, Some(3600))
    );
    assert!(!reported[0].message.is_empty());
}

#[tokio::test]
async fn the_usage_of_every_answer_is_reported_once_the_orchestrator_can_be_reached() {
    let world = World::new().await;
    // The client repeats a call by itself; these are more.
    world.lookup.refuse_usage(8);
    for is_stream in [true, false] {
        let answer = world.ask(AGENT, &asks(is_stream)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.text().await.unwrap();
    }
    let reported = wait_until("two reports", TIMEOUT, async || {
        let usage = world.lookup.usage();
        if usage.len() == 2 {
            Ok(usage)
        } else {
            Err(format!("{usage:?}"))
        }
    });
    for request in reported.await.unwrap() {
        assert_eq!(request.model, "claude-sonnet-5-5");
        assert!(request.is_reported, "{request:?}");
        assert!(
            request.tokens.input > 0 && request.tokens.output > 0,
            "{request:?}"
        );
    }
    assert_ne!(world.lookup.usage()[0].id, world.lookup.usage()[1].id);
}

#[tokio::test]
async fn an_answer_that_breaks_off_counts_as_far_as_it_was_seen() {
    let world = World::new().await;
    world
        .anthropic
        .when_agent_reads("SPEC.md", AgentScript::Fault(Fault::CutMidAnswer));
    let answer = world.ask(AGENT, &asks(true)).await;
    let _chunks: Vec<_> = timeout(TIMEOUT, answer.bytes_stream().collect()).await.unwrap();
    // What is queued is sent when the gateway stops.
    world.stop().await;
    let usage = world.lookup.usage();
    assert_eq!(usage.len(), 1, "{usage:?}");
    assert!(!usage[0].is_reported && usage[0].tokens.input > 0, "{usage:?}");
}

#[tokio::test]
async fn an_answer_that_is_still_in_progress_when_the_gateway_stops_counts() {
    let world = World::new().await;
    world
        .anthropic
        .when_agent_reads("SPEC.md", AgentScript::Fault(Fault::SilenceMidAnswer));
    let answer = world.ask(AGENT, &asks(true)).await;
    let mut chunks = answer.bytes_stream();
    timeout(TIMEOUT, chunks.next()).await.unwrap().unwrap().unwrap();

    world.stop().await;

    let usage = world.lookup.usage();
    assert_eq!(usage.len(), 1, "{usage:?}");
    assert!(!usage[0].is_reported && usage[0].tokens.input > 0, "{usage:?}");
}

#[tokio::test]
async fn the_first_call_of_claude_code_needs_no_token() {
    let world = World::new().await;
    for path in ["/anthropic", "/anthropic/"] {
        let answer = world.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn only_tokens_of_running_agents_are_accepted() {
    let world = World::new().await;
    for (token, expected) in [
        ("", StatusCode::UNAUTHORIZED),
        ("guessed", StatusCode::FORBIDDEN),
        (DELIVERY, StatusCode::FORBIDDEN),
        (world.anthropic.api_key(), StatusCode::FORBIDDEN),
    ] {
        assert_eq!(world.refused(token, &asks(false)).await.0, expected, "{token}");
    }
    world.lookup.remove(AGENT);
    let (status, kind, message) = world.refused(AGENT, &asks(false)).await;
    assert_eq!(
        (status, kind.as_str()),
        (StatusCode::FORBIDDEN, "permission_error")
    );
    assert!(message.contains("no running attempt"), "{message}");
    assert!(world.anthropic.requests().is_empty());
}

#[tokio::test]
async fn an_answer_about_a_token_is_used_for_some_seconds() {
    let world = World::with(&[("GATEWAY_TOKEN_CACHE_SECONDS", "60")]).await;
    for _ in 0..3 {
        assert_eq!(world.ask(AGENT, &asks(false)).await.status(), StatusCode::OK);
        assert_eq!(
            world.refused("guessed", &asks(false)).await.0,
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(world.lookup.asked(), 2);
}

#[tokio::test]
async fn without_the_orchestrator_nothing_is_forwarded() {
    let world = World::with(&[("ORCHESTRATOR_URL", "http://127.0.0.1:9")]).await;
    let (status, kind, _) = world.refused(AGENT, &asks(false)).await;
    assert_eq!(
        (status, kind.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "api_error")
    );
    assert!(world.anthropic.requests().is_empty());
}

#[tokio::test]
async fn endpoints_that_agents_do_not_use_are_refused() {
    let world = World::new().await;
    for (method, path) in [
        (Method::POST, "/anthropic/v1/files"),
        (Method::GET, "/anthropic/v1/files/f/content"),
        (Method::POST, "/anthropic/v1/messages/batches"),
        (Method::GET, "/anthropic/v1/messages"),
        (Method::POST, "/anthropic/v1/messages?beta=true&x=1"),
        (Method::POST, "/anthropic/v1/messages/../files"),
        (Method::POST, "/anthropic/v1/messages%2f..%2ffiles"),
        (Method::POST, "/anthropic//v1/messages"),
        (Method::GET, "/anthropic/v1/organizations/api_keys"),
    ] {
        // As text, because clients resolve dots.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-api-key: {AGENT}\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let answer = world.raw(&request).await;
        let is_refused = answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 405");
        assert!(is_refused, "{path}: {answer}");
    }
    assert_eq!(world.anthropic.violations(), [""; 0]);
}

#[tokio::test]
async fn models_and_the_rate_are_limited() {
    let world = World::with(&[
        ("GATEWAY_MODELS", "claude-haiku-*,claude-sonnet-5-5"),
        ("GATEWAY_MODEL_REQUESTS_PER_MINUTE", "2"),
    ])
    .await;
    let mut dear = asks(false);
    dear["model"] = json!("claude-opus-5-5");
    let (status, _, message) = world.refused(AGENT, &dear).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(message.contains("GATEWAY_MODELS"), "{message}");
    assert_eq!(world.ask(AGENT, &asks(false)).await.status(), StatusCode::OK);
    let limited = world.ask(AGENT, &asks(false)).await;
    let wait: u64 = limited.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let (status, kind, _) = error_of(limited).await;
    assert_eq!(
        (status, kind.as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error")
    );
    assert_eq!(world.anthropic.requests().len(), 1);
}

// docs/attacks.md, row 20: a way out through a host that is allowed.
#[tokio::test]
async fn the_api_is_not_made_to_fetch_addresses() {
    let open = World::with(&[("EGRESS", "open")]).await;
    let world = World::new().await;
    for tool in ["web_fetch_20250910", "web_search_20250305"] {
        let mut body = asks(false);
        body["tools"] = json!([{ "type": tool, "name": "web", "input_schema": { "type": "object" } }]);
        let (status, _, message) = world.refused(AGENT, &body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{message}");
        assert!(message.contains("EGRESS=open"), "{message}");
        assert_eq!(open.ask(AGENT, &body).await.status(), StatusCode::OK);
    }
    assert!(world.anthropic.requests().is_empty());
}

#[tokio::test]
async fn errors_of_the_api_reach_the_agent_unchanged() {
    let world = World::new().await;
    for status in [429, 529, 500] {
        world.anthropic.begin_outage(status, "try later");
        let (answered, _, message) = world.refused(AGENT, &asks(true)).await;
        assert_eq!((answered.as_u16(), message.as_str()), (status, "try later"));
    }
    world.anthropic.end_outage();
    let (status, kind, _) = world
        .refused(AGENT, &json!({ "model": "m", "messages": [] }))
        .await;
    assert_eq!(
        (status, kind.as_str()),
        (StatusCode::BAD_REQUEST, "invalid_request_error")
    );
}

#[tokio::test]
async fn headers_of_answers_name_limits_and_not_the_account() {
    let world = World::new().await;
    let mut answers = vec![world.ask(AGENT, &asks(true)).await];
    world.anthropic.begin_outage(429, "try later");
    answers.push(world.ask(AGENT, &asks(true)).await);
    for answer in answers {
        let headers = answer.headers();
        assert_eq!(headers["anthropic-ratelimit-requests-remaining"], "3999");
        assert!(headers.contains_key("request-id"), "{headers:?}");
        for name in ["anthropic-organization-id", "server", "cf-ray", "set-cookie"] {
            assert!(!headers.contains_key(name), "{headers:?}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused() {
    let world = World::new().await;
    let mut body = asks(false);
    body["system"] = json!("x".repeat(33 * 1024 * 1024));
    let sent = world
        .request(Method::POST, MESSAGES)
        .header("x-api-key", AGENT)
        .json(&body)
        .timeout(Duration::from_secs(20))
        .send()
        .await;
    // A client that still sends may see the end of the connection instead.
    if let Ok(answer) = sent {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert!(world.anthropic.requests().is_empty());
}

#[tokio::test]
async fn a_second_request_cannot_be_smuggled_into_the_first() {
    let world = World::new().await;
    let body = asks(false).to_string();
    let hidden = "POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nx-api-key: {AGENT}\r\nanthropic-version: 2023-06-01\r\nContent-Type: \
         application/json\r\nConnection: close\r\n"
    );
    let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [
        format!(
            "{head}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}{hidden}",
            body.len()
        ),
        format!(
            "{head}Content-Length: {}\r\nContent-Length: 3\r\n\r\n{body}{hidden}",
            body.len()
        ),
        format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n{chunk}{hidden}"),
        format!("{head}Transfer-Encoding : chunked\r\n\r\n{chunk}{hidden}"),
        format!("{head}Content-Length: +{}\r\n\r\n{body}{hidden}", body.len()),
    ] {
        let answer = world.raw(&request).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    // Whatever was accepted was one whole request of the agent.
    assert_eq!(world.anthropic.violations(), [""; 0]);
    assert!(
        world
            .anthropic
            .requests()
            .iter()
            .all(|request| request.body == asks(false))
    );
}
