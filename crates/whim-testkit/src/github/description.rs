//! GitHub's published description of its REST API (`data/README.md` names its source).

use std::sync::LazyLock;

use crate::openapi::{OpenApi, Operation};

static GITHUB: LazyLock<OpenApi> =
    LazyLock::new(|| OpenApi::parse(include_str!("../../data/github-openapi.json")));

pub(super) fn description() -> &'static OpenApi {
    &GITHUB
}

/// One sentence per problem of a response. Errors that the description does not list are allowed.
pub(super) fn problems_of_response(operation: &Operation, status: u16, body: &[u8]) -> Vec<String> {
    if (400..600).contains(&status) && !operation.documents_status(status) {
        return Vec::new();
    }
    description().problems_of_response(operation, status, body)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::*;
    use crate::openapi::Problem;

    #[test]
    fn every_schema_of_the_description_compiles() {
        description().compile_all();
        assert_eq!(description().operations().count(), 43);
    }

    #[test]
    fn a_fixed_segment_wins_over_a_parameter() {
        let id = |method: Method, path: &str| {
            let operation = description().operation(&method, path);
            operation.map(|operation| operation.id.as_str())
        };
        assert_eq!(
            id(Method::PATCH, "/repos/o/r/issues/comments/7"),
            Some("issues/update-comment")
        );
        assert_eq!(
            id(Method::GET, "/repos/o/r/branches/whim/7-a-b"),
            Some("repos/get-branch")
        );
        assert_eq!(id(Method::GET, "/repos/o/r/nonsense"), None);
        assert_eq!(id(Method::DELETE, "/repos/o/r"), None);
    }

    #[test]
    fn a_request_is_checked_against_parameters_and_body() {
        let api = description();
        let list = api.operation(&Method::GET, "/repos/o/r/issues").unwrap();
        assert_eq!(api.problems_of_query(list, "labels=a,b&per_page=5"), []);
        let problems = api.problems_of_query(list, "state=ajar&label=a");
        assert!(matches!(&problems[..], [Problem::Query(_), Problem::UnknownQuery(name)] if name == "label"));

        let get = api.operation(&Method::GET, "/repos/o/r/issues/x").unwrap();
        let problems = api.problems_of_path(get, "/repos/o/r/issues/x");
        assert!(matches!(&problems[..], [Problem::Path(_)]));

        let path = "/repos/o/r/issues/1/labels";
        let add = api.operation(&Method::POST, path).unwrap();
        assert_eq!(api.problems_of_body(add, br#"{"labels":["a"]}"#), []);
        assert_eq!(api.problems_of_body(add, b"{"), [Problem::NotJson]);
        let problems = api.problems_of_body(add, br#"{"labels":[]}"#);
        assert!(matches!(&problems[..], [Problem::Body(_)]));

        let create = api.operation(&Method::POST, "/repos/o/r/pulls").unwrap();
        let body = br#"{"head":"a","base":"b","title":"t","labels":["x"]}"#;
        assert_eq!(
            api.problems_of_body(create, body),
            [Problem::UnknownField("labels".to_owned())]
        );
        assert!(matches!(
            &api.problems_of_body(create, b"")[..],
            [Problem::Body(_)]
        ));
    }

    #[test]
    fn null_is_allowed_only_where_the_description_says_so() {
        let api = description();
        let update = api.operation(&Method::PATCH, "/repos/o/r/issues/1").unwrap();
        assert_eq!(
            api.problems_of_body(update, br#"{"body":null,"state_reason":null}"#),
            []
        );
        let problems = api.problems_of_body(update, br#"{"state":null}"#);
        assert!(matches!(&problems[..], [Problem::Body(_), ..]));
    }

    #[test]
    fn a_response_is_checked_against_the_schema_of_its_status() {
        let get = description()
            .operation(&Method::GET, "/repos/o/r/labels/a")
            .unwrap();
        let label = br#"{"id":1,"node_id":"L","url":"http://h/l","name":"a","description":null,"color":"ededed","default":false}"#;
        assert_eq!(problems_of_response(get, 200, label), [] as [String; 0]);
        assert!(!problems_of_response(get, 200, br#"{"id":"one"}"#).is_empty());
        assert_eq!(
            problems_of_response(get, 204, b""),
            ["the operation has no response 204"]
        );
        assert_eq!(problems_of_response(get, 502, b"<html>"), [] as [String; 0]);
    }
}
