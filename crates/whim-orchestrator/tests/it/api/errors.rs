//! Errors of requests: they name the field, what it was, and what it may be, in the terms of the API.
#![expect(clippy::unwrap_used, reason = "a test whose world breaks has failed")]

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use whim_core::WorkItemId;

use crate::world::{Answer, HEAD, SPEC, World, request, with_json};

/// Texts of libraries and of the implementation.
const INTERNAL: [&str; 12] = [
    "at line 1",
    "nonzero",
    "non-zero",
    "u32",
    "u64",
    "i64",
    "usize",
    "struct",
    "enum",
    "parsing failed",
    "invalid digit",
    "variant",
];

/// The field and the text of an error, which has to be free of internal terms.
fn problem(answer: Answer) -> (String, String) {
    let body = answer.expect(400);
    let text = body["error"].as_str().unwrap().to_owned();
    // The position of a syntax error is useful.
    let syntax = text.starts_with("the body is not JSON: ");
    for term in INTERNAL
        .into_iter()
        .filter(|term| !(syntax && *term == "at line 1"))
    {
        assert!(!text.contains(term), "{term:?} in {text:?}");
    }
    let field = body["details"]["field"].as_str().unwrap_or_default();
    (field.to_owned(), text)
}

#[tokio::test]
async fn a_field_of_a_body_is_named_with_what_it_was_and_what_it_may_be() {
    let world = World::new().await;
    for (field, value, was, expected) in [
        ("maxIterations", json!(0), "0", "an integer from 1 to 4294967295"),
        (
            "maxIterations",
            json!(-5),
            "-5",
            "an integer from 1 to 4294967295",
        ),
        (
            "maxIterations",
            json!(1.5),
            "1.5",
            "an integer from 1 to 4294967295",
        ),
        (
            "maxIterations",
            json!("three"),
            "\"three\"",
            "an integer from 1 to 4294967295",
        ),
        (
            "maxIterations",
            json!(4_294_967_296_u64),
            "4294967296",
            "an integer from 1 to 4294967295",
        ),
        (
            "priority",
            json!("urgent"),
            "\"urgent\"",
            "critical, high, medium, low",
        ),
        ("priority", json!(null), "null", "a string"),
        ("priority", json!(5), "5", "a string"),
        ("repo", json!(["octocat/hello"]), "an array", "a string"),
        ("repo", json!("hello"), "\"hello\"", "`owner/name` as on GitHub"),
        (
            "branch",
            json!("refs/heads/x"),
            "\"refs/heads/x\"",
            "a git branch name",
        ),
        (
            "source",
            json!("GitHub"),
            "\"GitHub\"",
            "1 to 32 lower-case letters",
        ),
        (
            "requestedBy",
            json!("two words"),
            "\"two words\"",
            "1 to 100 letters, digits",
        ),
        ("metadata", json!(true), "true", "an object"),
        ("metadata.base", json!({ "base": 7 }), "7", "a string"),
    ] {
        let mut body = json!({ "repo": "octocat/hello", "spec": SPEC });
        let name = field.split('.').next().unwrap();
        body[name] = value;
        let (named, text) = problem(world.post("/api/work", &body).await);
        assert!(
            named == field || named == name,
            "{named} instead of {field}: {text}"
        );
        assert!(text.starts_with(&named), "{text}");
        assert!(
            text.contains(was) && text.contains(&format!("expected {expected}")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn missing_unknown_and_repeated_fields_are_named() {
    let world = World::new().await;
    let send = async |body: &str| {
        let request = request(Method::POST, "/api/work").header("content-type", "application/json");
        problem(
            world
                .send(request.body(Body::from(body.to_owned())).unwrap())
                .await,
        )
    };
    for (body, field, text) in [
        (r#"{"spec":"x"}"#, "repo", "repo: is missing"),
        (
            r#"{"repo":"o/r","colour":1}"#,
            "colour",
            "colour: is unknown; expected repo, branch, ",
        ),
        (r#"{"repo":"o/r","repo":"o/r"}"#, "repo", "repo: is given twice"),
        (r#"{"repo":"o/r""#, "", "the body is not JSON"),
        ("", "", "the body is empty; expected a JSON object"),
        ("[1]", "", "the body is not a JSON object"),
    ] {
        let (named, answered) = send(body).await;
        assert_eq!(named, field, "{body}");
        assert!(answered.starts_with(text), "{body}: {answered}");
    }
    let deep = format!(
        r#"{{"repo":"o/r","metadata":{{"a":{}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let (_, text) = send(&deep).await;
    assert_eq!(text, "the body is nested too deeply; expected at most 127 levels");
}

#[tokio::test]
async fn parameters_of_path_and_query_are_named_with_what_they_were_and_may_be() {
    let world = World::new().await;
    for (path, field, was, expected) in [
        ("/api/work/not-an-id", "id", "\"not-an-id\"", "a UUID"),
        (
            "/api/work/01930b5e-7d5c-7000-8000",
            "id",
            "\"01930b5e-7d5c-7000-8000\"",
            "a UUID",
        ),
        ("/api/reviews/7", "id", "\"7\"", "a UUID"),
        (
            "/api/work?limit=ten",
            "limit",
            "\"ten\"",
            "an integer from 0 to 4294967295",
        ),
        ("/api/work?limit=-1", "limit", "-1", "an integer"),
        ("/api/work?limit=0", "limit", "0", "an integer from 1 to 200"),
        ("/api/work?limit=", "limit", "\"\"", "an integer"),
        ("/api/queue?limit=201", "limit", "201", "an integer from 1 to 200"),
        ("/api/work?cursor=abc", "cursor", "\"abc\"", "a UUID"),
        (
            "/api/work?status=done",
            "status",
            "\"done\"",
            "generating, queued",
        ),
        (
            "/api/work?priority=urgent",
            "priority",
            "\"urgent\"",
            "critical, high",
        ),
        ("/api/work?repo=hello", "repo", "\"hello\"", "`owner/name`"),
        ("/api/work?colour=red", "colour", "unknown", "status, repo"),
        ("/api/learnings?kind=fact", "kind", "\"fact\"", "pattern, gotcha"),
        (
            "/api/locks?cursor=x",
            "cursor",
            "\"x\"",
            "the nextCursor of the previous page",
        ),
        (
            "/api/events?lastEventId=first",
            "lastEventId",
            "\"first\"",
            "an integer",
        ),
        ("/api/work?sourceRef=a%00b", "sourceRef", "NUL", ""),
    ] {
        let (named, text) = problem(world.get(path).await);
        assert_eq!(named, field, "{path}: {text}");
        assert!(text.contains(was) && text.contains(expected), "{path}: {text}");
    }
    let item = WorkItemId::new();
    for (path, expected) in [
        (
            format!("/api/workers/{item}/logs?lines=0"),
            "was 0; expected an integer from 1 to 5000",
        ),
        (
            format!("/api/workers/{item}/logs?lines=many"),
            "was \"many\"; expected an integer",
        ),
        (
            format!("/api/workers/{item}/logs?follow=yes"),
            "was \"yes\"; expected true or false",
        ),
    ] {
        let (_, text) = problem(world.get(&path).await);
        assert!(text.contains(expected), "{path}: {text}");
    }
}

#[tokio::test]
async fn fields_of_worker_requests_are_named_with_their_place() {
    let world = World::new().await;
    let worker = world.running().await;
    let event = |occurred_at: Value| json!({ "occurredAt": occurred_at, "type": "notice", "message": "x" });
    for (body, field, expected) in [
        (json!({ "seq": -1 }), "seq", "was -1; expected an integer"),
        (
            json!({ "seq": 1, "events": [event(json!("yesterday"))] }),
            "events[0]",
            "expected an RFC 3339 time",
        ),
        (
            json!({ "seq": 1, "stage": "resting" }),
            "stage",
            "was \"resting\"; expected ",
        ),
        (
            json!({ "seq": 1, "headSha": &HEAD[1..] }),
            "headSha",
            "expected 40 or 64",
        ),
    ] {
        let (named, text) = problem(world.call(&worker, "heartbeat", &body).await);
        assert!(named.starts_with(field), "{named}: {text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn an_integer_may_be_written_with_a_fraction_of_zero() {
    let world = World::new().await;
    let body = r#"{"repo":"octocat/hello","description":"x","maxIterations":3.0}"#;
    let request = request(Method::POST, "/api/work").header("content-type", "application/json");
    world
        .send(request.body(Body::from(body)).unwrap())
        .await
        .expect(201);
}

#[tokio::test]
async fn a_long_value_is_quoted_in_part() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "spec": SPEC, "priority": "x".repeat(100_000) });
    let (_, text) = problem(
        world
            .send(with_json(request(Method::POST, "/api/work"), &body))
            .await,
    );
    assert!(text.len() < 300, "{text}");
}
