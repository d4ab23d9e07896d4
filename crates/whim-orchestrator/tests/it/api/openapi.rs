//! The OpenAPI document, its agreement with the types, and access to it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tower::ServiceExt as _;
use whim_core::{BranchName, CommitHash, RepoName, SourceName, UserName, WorkerId};
use whim_orchestrator::http::{api_router, openapi};

use crate::world::{World, request};
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};

const CHECKED_IN: &str = include_str!("../../../../../openapi.json");

#[test]
fn the_checked_in_document_is_what_the_code_says() {
    assert!(
        CHECKED_IN == openapi::text(),
        "openapi.json is out of date: cargo run -p whim-orchestrator -- openapi > openapi.json"
    );
}

#[test]
fn every_reference_resolves_and_every_operation_has_a_unique_name() {
    let document = openapi::document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("references are local");
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} does not resolve"
        );
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(
                names.insert(name.to_owned()),
                "{method} {path}: {name} is used twice"
            );
            assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        }
    }
}

fn collect_references(value: &Value, into: &mut Vec<String>) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        into.push(reference.to_owned());
    }
    let children: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for child in children {
        collect_references(child, into);
    }
}

#[test]
fn routes_of_programs_are_marked_and_require_their_credentials() {
    let document = openapi::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let of_workers = path.starts_with("/api/worker/");
            let of_gateways = path.starts_with("/api/gateway/");
            let is_internal = operation["x-internal"] == Value::Bool(true);
            assert_eq!(is_internal, of_workers || of_gateways, "{path}");
            for (credential, is_needed) in [("workerToken", of_workers), ("gatewayKey", of_gateways)] {
                let is_named = operation["security"] == json!([{ credential: [] }]);
                assert_eq!(is_named, is_needed, "{path}");
            }
        }
    }
}

/// The schema of a component, with the components that it refers to.
fn validator(component: &str) -> jsonschema::Validator {
    let document = openapi::document();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": format!("#/components/schemas/{component}"),
        "components": document["components"],
    });
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

/// Texts that are almost valid names: each of these inserted at every position of every other.
fn candidates() -> Vec<String> {
    const PIECES: [&str; 30] = [
        "a",
        "A",
        "0",
        "-",
        "_",
        ".",
        "..",
        "/",
        "//",
        "#",
        "+",
        "@",
        "[bot]",
        " ",
        "\n",
        "\\",
        ":",
        "~",
        "\0",
        "ä",
        "🦀",
        ".git",
        ".lock",
        "refs/",
        "HEAD",
        "main",
        "octocat/hello",
        "feature/x",
        "0123456789",
        "github",
    ];
    let mut texts: Vec<String> = vec![String::new()];
    for one in PIECES {
        texts.push(one.to_owned());
        for two in PIECES {
            texts.push(format!("{one}{two}"));
            texts.extend(PIECES.map(|three| format!("{one}{two}{three}")));
        }
    }
    for length in [31, 32, 33, 39, 40, 41, 64, 99, 100, 101, 199, 200, 201] {
        let long = "a".repeat(length);
        texts.extend([format!("{long}/b"), format!("b/{long}"), "0".repeat(length), long]);
    }
    texts
}

#[test]
fn the_patterns_of_names_accept_what_the_types_accept() {
    type Parses = fn(&str) -> bool;
    let types: [(&str, Parses); 5] = [
        ("RepoName", |text| RepoName::parse(text).is_ok()),
        ("BranchName", |text| BranchName::parse(text).is_ok()),
        ("SourceName", |text| SourceName::parse(text).is_ok()),
        ("UserName", |text| UserName::parse(text).is_ok()),
        ("CommitHash", |text| CommitHash::parse(text).is_ok()),
    ];
    let candidates = candidates();
    for (name, parses) in types {
        let validator = validator(name);
        let (mut accepted, mut refused) = (0, 0);
        for text in &candidates {
            let parses = parses(text);
            assert_eq!(
                validator.is_valid(&Value::from(text.as_str())),
                parses,
                "{name}: {text:?}"
            );
            *if parses { &mut accepted } else { &mut refused } += 1;
        }
        assert!(accepted > 0 && refused > 100, "{name}: {accepted} {refused}");
    }
}

#[test]
fn requests_that_the_api_refuses_are_refused_by_the_document() {
    for (component, body, valid) in [
        ("CreateWork", json!({ "repo": "o/r", "spec": "- [ ] x" }), true),
        (
            "CreateWork",
            json!({ "repo": "o/r", "description": "x", "spec": null }),
            true,
        ),
        ("CreateWork", json!({ "repo": "o/r" }), false),
        (
            "CreateWork",
            json!({ "repo": "o/r", "spec": "- [ ] x", "description": "x" }),
            false,
        ),
        ("CreateWork", json!({ "repo": "o/r", "spec": "no task" }), false),
        ("CreateWork", json!({ "repo": "o/r", "description": " " }), false),
        (
            "CreateWork",
            json!({ "repo": "o/r", "description": "x", "branch": "main" }),
            false,
        ),
        (
            "CreateWork",
            json!({ "repo": "o/r", "description": "x", "maxIterations": 0 }),
            false,
        ),
        (
            "CreateWork",
            json!({ "repo": "o/r", "description": "x", "sourceRef": "x".repeat(201) }),
            false,
        ),
        ("CancelWork", json!({}), true),
        ("CancelWork", json!({ "reason": "" }), false),
        ("CancelWork", json!({ "reason": "a\u{0}b" }), false),
        (
            "FailSpec",
            json!({ "run": 1, "reason": "x", "retryable": true, "cause": "model_limited" }),
            true,
        ),
        (
            "FailSpec",
            json!({ "run": 1, "reason": "x", "retryable": false, "cause": "model_limited" }),
            false,
        ),
        (
            "FailSpec",
            json!({ "run": 1, "reason": "x", "retryable": true, "cause": "crash" }),
            false,
        ),
        ("PauseQueue", json!({ "pausedBy": "x".repeat(4097) }), false),
        (
            "Register",
            json!({ "workerId": WorkerId::new(), "nonce": "" }),
            false,
        ),
        ("LockFiles", json!({ "files": [] }), false),
    ] {
        assert_eq!(validator(component).is_valid(&body), valid, "{component}: {body}");
    }
}

#[test]
fn every_property_of_the_document_is_in_camel_case() {
    fn check(value: &Value, place: &str) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| check(item, place)),
            Value::Object(fields) => {
                for name in fields
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flat_map(|it| it.keys())
                {
                    assert!(!name.contains(['_', '-']), "{place}: {name}");
                }
                for (name, field) in fields {
                    check(field, &format!("{place}/{name}"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    check(&openapi::document()["components"]["schemas"], "");
}

#[test]
fn bodies_that_may_be_omitted_are_optional_and_not_null_and_limits_have_bounds() {
    let document = openapi::document();
    let mut limits = 0;
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            let name = &operation["operationId"];
            let body = &operation["requestBody"];
            assert!(!body.to_string().contains("\"null\""), "{name}: {body}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let schema = &parameter["schema"];
                assert!(!schema.to_string().contains("\"null\""), "{name}: {parameter}");
                if parameter["name"] == "limit" {
                    limits += 1;
                    let most = if name == "get_timeline" { 50 } else { 200 };
                    assert_eq!(
                        (&schema["minimum"], &schema["maximum"]),
                        (&json!(1), &json!(most)),
                        "{name}"
                    );
                }
            }
        }
    }
    assert!(limits >= 5, "{limits}");
    let cancel = &document["paths"]["/api/work/{id}/cancel"]["post"]["requestBody"];
    assert_eq!(cancel["required"], Value::Bool(false));
}

const DOCS: [&str; 3] = ["/api/openapi.json", "/docs", "/docs/style.css"];

#[tokio::test]
async fn on_loopback_the_documentation_needs_no_key_and_loads_no_script() {
    let world = World::with(&[("API_KEY", "a-long-api-key")]).await;
    for path in DOCS {
        let request = request(Method::GET, path).body(Body::empty()).unwrap();
        let response = api_router(world.app.clone()).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8(text.into()).unwrap();
        match path {
            "/api/openapi.json" => assert_eq!(text, CHECKED_IN),
            "/docs" => {
                assert!(text.contains("/api/work/{id}/cancel"), "{text}");
                for loaded in ["<script", "src=", "=\"http", "=\"//"] {
                    assert!(!text.contains(loaded), "{loaded}");
                }
            }
            _style => assert!(!text.contains("url("), "{text}"),
        }
    }
}

#[tokio::test]
async fn off_loopback_the_documentation_requires_the_key() {
    let world = World::with(&[("API_KEY", "a-long-api-key"), ("BIND_ADDRESS", "0.0.0.0")]).await;
    for path in DOCS {
        let stranger = Request::get(path).header("host", "whim.example");
        let answer = world.send(stranger.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.expect_error(401), "unauthorized", "{path}");
    }
    let owner = Request::get("/api/openapi.json")
        .header("host", "whim.example")
        .header("x-api-key", "a-long-api-key");
    world.send(owner.body(Body::empty()).unwrap()).await.expect(200);
}
