//! What a delivery reads of GitHub's answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct User {
    id: u64,
    login: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Repository {
    pub(super) full_name: String,
    pub(super) owner: Owner,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Owner {
    pub(super) login: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    pub(super) node_id: String,
    html_url: String,
    title: String,
    state: String,
    #[serde(default)]
    draft: bool,
    body: Option<String>,
    head: Head,
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Comment {
    id: u64,
}

/// A rule of a branch.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parameters: Option<Pattern>,
    ruleset_id: Option<u64>,
}

/// The parameters of a rule about a text.
#[derive(Debug, Serialize, Deserialize)]
struct Pattern {
    #[serde(default)]
    operator: String,
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    negate: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ruleset {
    name: String,
    current_user_can_bypass: Option<String>,
}

/// The answer of GraphQL: errors come with the status 200.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Draft {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<GraphQlError>,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct GraphQlError {
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    message: String,
}
