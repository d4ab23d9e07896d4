//! What the REST API lacks, of GitHub's GraphQL API: a draft becomes ready for review, and the reverse; and the edits of an
//! issue's text.

use axum::Json;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::access::{Access, Area, Caller, Need};
use super::error_response::ErrorResponse;
use super::received::ReceivedRequest;
use super::shared::Shared;
use super::views::{node, time};
use crate::journal::ViolationKind;

/// On github.com, and on GitHub Enterprise Server.
const PATHS: [&str; 2] = ["/graphql", "/api/graphql"];

/// With the state of the pull request afterwards.
const MUTATIONS: [(&str, bool); 2] = [
    ("markPullRequestReadyForReview", false),
    ("convertPullRequestToDraft", true),
];

const EDITS: &str = "query($owner: String!, $name: String!, $number: Int!) { repository(owner: $owner, name: $name) { \
                     issue(number: $number) { lastEditedAt userContentEdits(first: 5) { nodes { editedAt editor { login } \
                     diff } } } } }";

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
#[serde(untagged)]
enum Variables {
    Node {
        id: String,
    },
    Issue {
        owner: String,
        name: String,
        number: u64,
    },
}

pub(super) fn answer(shared: &Shared, received: &ReceivedRequest, caller: &Caller) -> Response {
    match run(shared, received, caller) {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn run(shared: &Shared, received: &ReceivedRequest, caller: &Caller) -> Result<Value, ErrorResponse> {
    let identity = caller.identity()?.ok_or(ErrorResponse::RequiresAuthentication)?;
    let violate = |problem: String| {
        shared.violate(received, ViolationKind::Request, problem.clone());
        ErrorResponse::Malformed(problem)
    };
    let query: Query = serde_json::from_slice(&received.body).map_err(|error| violate(error.to_string()))?;
    let (area, access) = match query.variables {
        Variables::Node { .. } => (Area::PullRequests, Access::Write),
        Variables::Issue { .. } => (Area::Issues, Access::Read),
    };
    if !identity.permissions.allow(Need { area, access }) {
        return Err(ErrorResponse::Forbidden);
    }
    match &query.variables {
        Variables::Issue { owner, name, number } => {
            if query.query.split_whitespace().collect::<Vec<_>>().join(" ") != EDITS {
                return Err(violate(format!("the fake knows no such query: {}", query.query)));
            }
            Ok(edits(shared, owner, name, *number))
        }
        Variables::Node { id } => set_draft(shared, &query, id, violate),
    }
}

/// The edits of an issue's text, newest first.
fn edits(shared: &Shared, owner: &str, name: &str, number: u64) -> Value {
    let world = shared.read();
    let issue = world
        .repository(owner, name)
        .and_then(|repository| repository.issue(number));
    let Some(issue) = issue else {
        let message = "Could not resolve to an Issue";
        return json!({ "data": null, "errors": [{ "type": "NOT_FOUND", "message": message }] });
    };
    let last_edited_at = issue.body_edits.last().map(|edit| time(edit.change.at));
    let nodes = issue.body_edits.iter().rev().map(|edit| {
        json!({ "editedAt": time(edit.change.at), "editor": { "login": edit.change.by }, "diff": edit.body })
    });
    let nodes: Vec<Value> = nodes.take(5).collect();
    json!({ "data": { "repository": { "issue": {
        "lastEditedAt": last_edited_at, "userContentEdits": { "nodes": nodes },
    } } } })
}

fn set_draft(
    shared: &Shared,
    query: &Query,
    id: &str,
    violate: impl Fn(String) -> ErrorResponse,
) -> Result<Value, ErrorResponse> {
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
        .find(|pull| node("PR", pull.id) == id);
    let Some(pull) = pull else {
        let message = "Could not resolve to a node with the global id";
        // As GitHub does, with the status 200.
        return Ok(json!({ "data": null, "errors": [{ "type": "NOT_FOUND", "message": message }] }));
    };
    pull.draft = *is_draft;
    Ok(json!({ "data": { *name: { "pullRequest": { "isDraft": is_draft } } } }))
}
