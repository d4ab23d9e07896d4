//! The Messages API fake over plain HTTP.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use whim_testkit::anthropic::{AgentScript, Anthropic, ApiError, Fault, RequestKind, SpecScript};

const SYSTEM: &str = "Write a SPEC.md. Answer with the checklist alone.";

fn client() -> Client {
    // A second test in the same process finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::new()
}

async fn post(model: &Anthropic, body: &Value) -> Response {
    client()
        .post(format!("{}/v1/messages", model.url()))
        .header("x-api-key", model.api_key())
        .header("anthropic-version", "2023-06-01")
        .json(body)
        .send()
        .await
        .unwrap()
}

fn spec_request(issue: &str) -> Value {
    let issue = format!("----- request 5e begins -----\n{issue}\n----- request 5e ends -----\n");
    json!({
        "model": "claude-sonnet-5", "max_tokens": 4096, "system": SYSTEM,
        "messages": [{ "role": "user", "content": issue }],
    })
}

fn agent_request(stream: bool) -> Value {
    let tool = |name: &str| json!({ "name": name, "input_schema": { "type": "object" } });
    json!({
        "model": "claude-sonnet-5", "max_tokens": 4096, "stream": stream, "tools": [tool("Bash"), tool("Edit")],
        "messages": [{ "role": "user", "content": "The checklist is the file `SPEC.md`." }],
    })
}

async fn text_of(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    let body: Value = response.json().await.unwrap();
    body["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_spec_is_written_from_the_issue() {
    let model = Anthropic::start().unwrap();
    let response = post(&model, &spec_request("Greet people\n\n- By name\n")).await;
    let body: Value = response.json().await.unwrap();
    insta::assert_json_snapshot!(body, { ".id" => "[id]" }, @r##"
    {
      "content": [
        {
          "text": "# Greet people\n\n## Goal\n\nWhat the issue \"Greet people\" asks for is there.\n\n## Tasks\n\n- [ ] By name\n",
          "type": "text"
        }
      ],
      "id": "[id]",
      "model": "claude-sonnet-5",
      "role": "assistant",
      "stop_reason": "end_turn",
      "stop_sequence": null,
      "type": "message",
      "usage": {
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "input_tokens": 60,
        "output_tokens": 25
      }
    }
    "##);
    assert_eq!(model.requests()[0].kind, RequestKind::Spec);
}

#[tokio::test]
async fn an_agent_that_only_reads_is_answered_with_a_spec_when_it_asks_for_one() {
    let model = Anthropic::start().unwrap();
    let prompt = "The description follows, quoted. It is material.\n\n> Greet people\n>\n> - By name\n";
    let body = json!({
        "model": "claude-sonnet-5", "max_tokens": 4096,
        "tools": [{ "name": "Read", "input_schema": { "type": "object" } }],
        "messages": [{ "role": "user", "content": prompt }],
    });
    let spec = text_of(post(&model, &body).await).await;
    assert!(
        spec.starts_with("# Greet people\n") && spec.ends_with("\n- [ ] By name\n"),
        "{spec}"
    );
}

#[tokio::test]
async fn texts_are_returned_one_for_each_request_of_their_issue() {
    let model = Anthropic::start().unwrap();
    let texts = vec!["bad".to_owned(), "good".to_owned()];
    model.when_spec_request_contains("first issue", SpecScript::Texts(texts));
    let ask = async |issue: &str| text_of(post(&model, &spec_request(issue)).await).await;
    assert_eq!(ask("The first issue").await, "bad");
    assert!(ask("Another").await.starts_with("# Another"));
    assert_eq!(ask("The first issue").await, "good");
    assert_eq!(ask("The first issue").await, "good");
}

#[tokio::test]
async fn an_overloaded_model_answers_after_the_configured_number_of_refusals() {
    let model = Anthropic::start().unwrap();
    let error = ApiError {
        status: 529,
        times: Some(2),
        retry_after: Some(Duration::from_secs(7)),
    };
    model.when_spec_request_contains("", SpecScript::Fault(Fault::Error(error)));
    for _ in 0..2 {
        let response = post(&model, &spec_request("Greet people")).await;
        assert_eq!(response.status().as_u16(), 529);
        assert_eq!(response.headers()["retry-after"], "7");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["type"], "overloaded_error");
    }
    assert!(
        text_of(post(&model, &spec_request("Greet people")).await)
            .await
            .starts_with("# Greet people")
    );
    assert_eq!(model.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn during_an_outage_every_request_is_refused() {
    let model = Anthropic::start().unwrap();
    let requests = [spec_request("Greet people\n\n- By name\n"), agent_request(false)];

    model.begin_outage(429, "Limit reached");
    for request in &requests {
        let response = post(&model, request).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            body["error"],
            json!({ "type": "rate_limit_error", "message": "Limit reached" })
        );
    }
    model.end_outage();
    for request in &requests {
        assert_eq!(post(&model, request).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_stream_can_stall_or_be_cut() {
    let model = Anthropic::start().unwrap();
    model.when_agent_reads("", AgentScript::Fault(Fault::CutMidAnswer));
    let mut chunks = post(&model, &agent_request(true)).await.bytes_stream();
    let mut seen = String::new();
    let end = loop {
        match chunks.next().await {
            Some(Ok(chunk)) => seen.push_str(&String::from_utf8_lossy(&chunk)),
            end => break end,
        }
    };
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    assert!(
        seen.starts_with("event: message_start\n") && !seen.contains("message_stop"),
        "{seen}"
    );

    let silent = Anthropic::start().unwrap();
    silent.when_agent_reads("", AgentScript::Fault(Fault::SilenceMidAnswer));
    let mut chunks = post(&silent, &agent_request(true)).await.bytes_stream();
    assert!(chunks.next().await.unwrap().is_ok());
    drop(silent);
    // Held until the fake is stopped.
    while let Some(chunk) = chunks.next().await {
        assert!(!chunk.is_ok_and(|chunk| String::from_utf8_lossy(&chunk).contains("message_stop")));
    }
}

#[tokio::test]
async fn what_the_real_api_refuses_is_refused_and_recorded() {
    let with = |change: Value| {
        let mut body = agent_request(false);
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        body
    };
    let user = |content: Value| json!({ "role": "user", "content": content });
    let assistant = |content: Value| json!({ "role": "assistant", "content": content });
    let result = user(json!([{ "type": "tool_result", "tool_use_id": "toolu_1", "content": "x" }]));
    let made_up = assistant(json!([{ "type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {} }]));
    let bad = [
        with(json!({ "maxTokens": 5 })),
        with(json!({ "max_tokens": null })),
        with(json!({ "max_tokens": 0 })),
        with(json!({ "model": " " })),
        with(json!({ "temperature": 1.5 })),
        with(json!({ "thinking": { "type": "enabled", "budget_tokens": 9000 } })),
        with(json!({ "tools": [{ "name": "Bash" }] })),
        with(json!({ "messages": [] })),
        with(json!({ "messages": [user(json!(""))] })),
        with(json!({ "messages": [assistant(json!("Hi"))] })),
        with(json!({ "messages": [user(json!("Hi")), assistant(json!("Hello"))] })),
        with(json!({ "messages": [{ "role": "system", "content": "x" }, user(json!("Hi"))] })),
        with(json!({ "messages": [user(json!("Hi")), result] })),
        with(json!({ "messages": [user(json!("Hi")), made_up, user(json!("Go on"))] })),
    ];
    let model = Anthropic::start().unwrap();
    for body in &bad {
        let response = post(&model, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        let answer: Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["type"], "invalid_request_error");
    }
    insta::assert_snapshot!(model.violations().join("\n"), @r"
    POST /v1/messages: maxTokens: Extra inputs are not permitted
    POST /v1/messages: max_tokens: Field required
    POST /v1/messages: max_tokens: Input should be greater than or equal to 1
    POST /v1/messages: model: String should have at least 1 character
    POST /v1/messages: temperature: must be between 0 and 1
    POST /v1/messages: thinking: unknown type, or a budget_tokens that cannot be
    POST /v1/messages: tools: Bash: input_schema: Field required
    POST /v1/messages: messages: at least one message is required
    POST /v1/messages: messages.0: text content blocks must be non-empty
    POST /v1/messages: messages: the first message must use the user role
    POST /v1/messages: messages: the conversation must end with a user message
    POST /v1/messages: messages: use the top-level `system` parameter for the initial system prompt
    POST /v1/messages: messages.1: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.
    POST /v1/messages: messages.1: Bash (toolu_1) was never issued
    ");
    assert_eq!(model.requests().len(), 0);
}

#[tokio::test]
async fn a_tool_use_needs_exactly_one_result_in_the_next_message() {
    let model = Anthropic::start().unwrap();
    let first: Value = post(&model, &agent_request(false)).await.json().await.unwrap();
    let id = first["content"][0]["id"].as_str().unwrap();
    let result = json!({ "type": "tool_result", "tool_use_id": id, "content": "1\t- [ ] x" });
    let status = async |last: Value| {
        let mut body = agent_request(false);
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({ "role": "assistant", "content": first["content"] }));
        messages.push(json!({ "role": "user", "content": last }));
        post(&model, &body).await.status().as_u16()
    };
    assert_eq!(status(json!([result])).await, 200);
    assert_eq!(status(json!("Go on")).await, 400);
    assert_eq!(status(json!([result, result])).await, 400);
}

#[tokio::test]
async fn only_the_right_key_is_accepted_and_it_is_not_recorded() {
    let model = Anthropic::start().unwrap();
    let send = async |header: &str, value: &str| {
        let request = client()
            .post(format!("{}/v1/messages", model.url()))
            .header(header, value)
            .header("anthropic-version", "2023-06-01")
            .json(&spec_request(&format!("Mail {} to me", model.api_key())));
        request.send().await.unwrap().status()
    };
    assert_eq!(send("x-api-key", "sk-ant-wrong").await, StatusCode::UNAUTHORIZED);
    assert_eq!(send("x-other", model.api_key()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(send("x-api-key", model.api_key()).await, StatusCode::OK);
    assert_eq!(
        send("authorization", &format!("Bearer {}", model.api_key())).await,
        StatusCode::OK
    );
    assert_eq!(model.violations().len(), 2);
    let record = format!("{:?}", model.requests());
    assert!(
        record.contains("Mail [the API key] to me") && !record.contains(model.api_key()),
        "{record}"
    );
}

#[tokio::test]
async fn tokens_are_counted_and_unknown_paths_refused() {
    let model = Anthropic::start().unwrap();
    let ask = async |path: &str| {
        let request = client()
            .post(format!("{}{path}", model.url()))
            .header("x-api-key", model.api_key())
            .header("anthropic-version", "2023-06-01")
            .json(
                &json!({ "model": "claude-sonnet-5", "messages": [{ "role": "user", "content": "Hello" }] }),
            );
        request.send().await.unwrap()
    };
    let counted: Value = ask("/v1/messages/count_tokens").await.json().await.unwrap();
    assert!(counted["input_tokens"].as_u64().unwrap() > 0, "{counted}");
    assert_eq!(ask("/v1/complete").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        client().head(model.url()).send().await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(
        model.violations(),
        ["POST /v1/complete: POST /v1/complete: Not found"]
    );
}
