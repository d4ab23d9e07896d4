//! The mutations of GitHub's GraphQL API that the REST API lacks: a draft becomes ready for review, and the reverse.

use axum::Json;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, Area, Caller, Need};
use super::error_response::ErrorResponse;
use super::received::ReceivedRequest;
use super::shared::Shared;
use super::views::node;
use crate::journal::ViolationKind;

/// On github.com, and on GitHub Enterprise Server.
const PATHS: [&str; 2] = ["/graphql", "/api/graphql"];

/// With the state of the pull request afterwards.
const MUTATIONS: [(&str, bool); 2] = [
    ("markPullRequestReadyForReview", false),
    ("convertPullRequestToDraft", true),
];

pub(super) fn is_addressed(received: &ReceivedRequest) -> bool {
    received.method == Method::POST && PATHS.contains(&received.path.as_str())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    query: String,
    variables: Variables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Variables {
    id: String,
}

pub(super) fn answer(shared: &Shared, received: &ReceivedRequest, caller: &Caller) -> Response {
    match run(shared, received, caller) {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn run(shared: &Shared, received: &ReceivedRequest, caller: &Caller) -> Result<Value, ErrorResponse> {
    let identity = caller.identity()?.ok_or(ErrorResponse::RequiresAuthentication)?;
    let need = Need {
        area: Area::PullRequests,
        access: Access::Write,
    };
    if !identity.permissions.allow(need) {
        return Err(ErrorResponse::Forbidden);
    }
    let violate = |problem: String| {
        shared.violate(received, ViolationKind::Request, problem.clone());
        ErrorResponse::Malformed(problem)
    };
    let query: Query = serde_json::from_slice(&received.body).map_err(|error| violate(error.to_string()))?;
    let known = MUTATIONS.iter().find(|(name, _)| {
        let call = format!("{name}(input: {{pullRequestId: $id}})");
        query.query.starts_with("mutation($id: ID!)") && query.query.contains(&call)
    });
    let Some((name, is_draft)) = known else {
        return Err(violate(format!("the fake knows no such query: {}", query.query)));
    };
    let mut world = shared.write();
    let pull = world
        .repositories_mut()
        .flat_map(|repository| repository.pulls_mut())
        .find(|pull| node("PR", pull.id) == query.variables.id);
    let Some(pull) = pull else {
        let message = "Could not resolve to a node with the global id";
        // As GitHub does, with the status 200.
        return Ok(json!({ "data": null, "errors": [{ "type": "NOT_FOUND", "message": message }] }));
    };
    pull.draft = *is_draft;
    Ok(json!({ "data": { *name: { "pullRequest": { "isDraft": is_draft } } } }))
}
