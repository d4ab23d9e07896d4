//! The orchestrator's API as `openapi.json` documents it.

use std::sync::LazyLock;

use axum::http::Method;

use crate::openapi::{OpenApi, Operation};

static CONTRACT: LazyLock<OpenApi> =
    LazyLock::new(|| OpenApi::parse(include_str!("../../../../openapi.json")));

pub(super) fn contract() -> &'static OpenApi {
    &CONTRACT
}

pub(super) fn operation(method: &Method, path: &str) -> Option<&'static Operation> {
    contract().operation(method, path)
}

/// Whether the document has the path with another method.
pub(super) fn has_path(path: &str) -> bool {
    contract().operations().any(|operation| operation.matches(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_of_the_document_compiles() {
        contract().compile_all();
    }

    #[test]
    fn a_path_is_known_with_its_methods_only() {
        let path = "/api/work/0193c5a0-0000-7000-8000-000000000001/spec";
        let put = operation(&Method::PUT, path).map(|operation| operation.id.as_str());
        assert_eq!(put, Some("put_spec"));
        assert!(operation(&Method::GET, path).is_none());
        assert!(has_path(path));
        assert!(!has_path("/api/wrok"));
    }
}
