//! The OpenAPI document, and who may read it.

use std::collections::BTreeSet;

use serde_json::Value;
use tower::ServiceExt as _;
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
fn every_reference_leads_somewhere_and_every_operation_has_a_name_of_its_own() {
    let document = openapi::document();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50, "{}", references.len());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("all are local");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{method} {path}: {name} is taken");
            assert!(operation["summary"].is_string(), "{method} {path} says nothing");
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
fn routes_of_workers_are_marked_and_take_the_workers_token_only() {
    let document = openapi::document();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let of_workers = path.starts_with("/api/worker/");
            assert_eq!(operation["x-internal"] == Value::Bool(true), of_workers, "{path}");
            assert_eq!(
                operation["security"] == serde_json::json!([{ "workerToken": [] }]),
                of_workers,
                "{path}"
            );
        }
    }
}

const DOCS: [&str; 3] = ["/api/openapi.json", "/docs", "/docs/style.css"];

#[tokio::test]
async fn on_loopback_the_documentation_needs_no_key_and_runs_nothing() {
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
async fn where_others_can_ask_the_documentation_needs_the_key() {
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
