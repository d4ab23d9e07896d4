//! Every operation of the OpenAPI document has its method here, under the same name and for the same route.

use std::collections::BTreeSet;

use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../../openapi.json");

const SOURCES: [&str; 12] = [
    include_str!("../../src/costs.rs"),
    include_str!("../../src/events.rs"),
    include_str!("../../src/gateway.rs"),
    include_str!("../../src/history.rs"),
    include_str!("../../src/intake.rs"),
    include_str!("../../src/learnings.rs"),
    include_str!("../../src/notes.rs"),
    include_str!("../../src/stats.rs"),
    include_str!("../../src/reviews.rs"),
    include_str!("../../src/status.rs"),
    include_str!("../../src/work.rs"),
    include_str!("../../src/worker.rs"),
];

#[test]
fn every_operation_has_a_method_of_its_name_and_every_method_an_operation() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let path = path.replace('{', ":").replace('}', "");
            operations.insert(format!("{name}: {} {path}", method.to_uppercase()));
        }
    }
    let methods: BTreeSet<String> = SOURCES.into_iter().flat_map(methods).collect();
    assert_eq!(methods, operations);
}

/// Each method with the route that the first line of its documentation names.
fn methods(source: &str) -> Vec<String> {
    let mut route = None;
    let mut methods = Vec::new();
    for line in source.lines().map(str::trim) {
        if let Some(documented) = line.strip_prefix("/// `") {
            route = documented.split_once('`').map(|(route, _)| route);
        } else if let Some(signature) = line
            .strip_prefix("pub async fn ")
            .or_else(|| line.strip_prefix("pub fn "))
            .filter(|signature| !signature.starts_with("into_"))
        {
            let (name, _) = signature.split_once('(').unwrap();
            methods.push(format!("{name}: {}", route.take().unwrap_or_default()));
        }
    }
    methods
}
