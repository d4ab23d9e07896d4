//! The routes that the dashboard forwards: those of the API document that are for people.

use std::collections::BTreeMap;

use axum::routing::MethodFilter;
use serde::Deserialize;
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../../openapi.json");

/// The tags of operations that only workers, gateways or the intake may call.
const OF_PROGRAMS: [&str; 3] = ["worker protocol", "gateway", "intake"];

/// Operations of other tags that only the intake calls.
const OF_THE_INTAKE: [&str; 4] = [
    "put_spec",
    "fail_spec",
    "learnings_quarantine",
    "decide_quarantine",
];

/// A path with its methods, in the notation that the API document and axum have in common: `/api/work/{id}`.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) methods: MethodFilter,
}

#[derive(Deserialize)]
struct Document {
    paths: BTreeMap<String, BTreeMap<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    #[serde(default)]
    tags: Vec<String>,
    operation_id: String,
}

impl Operation {
    fn is_for_people(&self) -> bool {
        !self.tags.iter().any(|tag| OF_PROGRAMS.contains(&tag.as_str()))
            && !OF_THE_INTAKE.contains(&self.operation_id.as_str())
    }
}

/// Every route that is forwarded. A route that is added to the API is forwarded too, unless it is one of programs.
///
/// # Errors
/// The API document of this build is not one.
pub(crate) fn forwarded() -> serde_json::Result<Vec<Route>> {
    let document: Document = serde_json::from_str(DOCUMENT)?;
    let mut routes = Vec::new();
    for (path, item) in document.paths {
        let mut methods = None;
        for (method, operation) in item {
            // Other keys of a path are no methods.
            let Some(method) = method_filter(&method) else {
                continue;
            };
            let operation: Operation = serde_json::from_value(operation)?;
            if operation.is_for_people() {
                methods = Some(methods.map_or(method, |methods: MethodFilter| methods.or(method)));
            }
        }
        if let Some(methods) = methods {
            routes.push(Route { path, methods });
        }
    }
    Ok(routes)
}

fn method_filter(method: &str) -> Option<MethodFilter> {
    Some(match method {
        "get" => MethodFilter::GET,
        "post" => MethodFilter::POST,
        "put" => MethodFilter::PUT,
        "patch" => MethodFilter::PATCH,
        "delete" => MethodFilter::DELETE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_of_workers_and_of_the_intake_are_not_forwarded() {
        let routes = forwarded().unwrap();
        let paths: Vec<&str> = routes.iter().map(|route| route.path.as_str()).collect();
        for expected in ["/health", "/api/status", "/api/events", "/api/work/{id}/cancel"] {
            assert!(paths.contains(&expected), "{expected} is not forwarded");
        }
        for path in paths {
            assert!(!path.starts_with("/api/worker/"), "{path} is forwarded");
            assert!(
                !path.contains("/spec") && !path.contains("/quarantine"),
                "{path} is forwarded"
            );
        }
    }

    #[test]
    fn the_operations_that_are_left_out_exist() {
        for operation in OF_THE_INTAKE {
            assert!(
                DOCUMENT.contains(&format!("\"operationId\": \"{operation}\"")),
                "{operation}"
            );
        }
        for tag in OF_PROGRAMS {
            assert!(DOCUMENT.contains(&format!("\"{tag}\"")), "{tag}");
        }
    }
}
