//! The endpoints that agents use.

use axum::http::{Method, StatusCode};

use crate::refusal::Refusal;

/// An endpoint, with its query: nothing of the caller's text is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    path: &'static str,
    query: &'static str,
}

const PATHS: [&str; 2] = ["v1/messages", "v1/messages/count_tokens"];
const QUERIES: [&str; 2] = ["", "beta=true"];

impl Endpoint {
    /// # Errors
    /// Agents use no such endpoint.
    pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let found = |known: &[&'static str], text: &str| known.iter().copied().find(|known| *known == text);
        let not_found = |reason, message: String| Err(Refusal::new(StatusCode::NOT_FOUND, reason, message));
        let Some(path) = found(&PATHS, path) else {
            return not_found(
                "endpoint",
                format!(
                    "/{path} is not available to agents, only /{}",
                    PATHS.join(" and /")
                ),
            );
        };
        let Some(query) = found(&QUERIES, query.unwrap_or_default()) else {
            return not_found("endpoint", format!("/{path} has no query but beta=true"));
        };
        if *method != Method::POST {
            let message = format!("/{path} is called with POST");
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "endpoint", message));
        }
        Ok(Self { path, query })
    }

    pub(super) fn path_and_query(self) -> String {
        let Self { path, query } = self;
        match query {
            "" => format!("/{path}"),
            query => format!("/{path}?{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_endpoints_of_agents_are_known() {
        let path = |path, query| Endpoint::of(&Method::POST, path, query).map(Endpoint::path_and_query);
        assert_eq!(path("v1/messages", None).unwrap(), "/v1/messages");
        assert_eq!(
            path("v1/messages", Some("beta=true")).unwrap(),
            "/v1/messages?beta=true"
        );
        for (unknown, query) in [
            ("v1/files", None),
            ("v1/messages/batches", None),
            ("v1/messages/", None),
            ("v1/messages/../files", None),
            ("v1//messages", None),
            ("v1/models", None),
            ("v1/messages", Some("beta=true&x=1")),
            ("v1/organizations/usage_report/messages", None),
        ] {
            assert!(path(unknown, query).is_err(), "{unknown}");
        }
        assert!(Endpoint::of(&Method::GET, "v1/messages", None).is_err());
    }
}
