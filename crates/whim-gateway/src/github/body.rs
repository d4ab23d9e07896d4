//! Bodies of the calls that write.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use whim_core::BranchName;

use crate::refusal::Refusal;

/// A new pull request, from the branch of the attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPull {
    title: String,
    body: String,
    head: BranchName,
    base: BranchName,
    draft: bool,
}

impl NewPull {
    /// # Errors
    /// It is not from `branch`, or not of the form that a delivery has.
    pub(super) fn parse(body: &[u8], branch: &BranchName) -> Result<Self, Refusal> {
        let new: Self = read(body)?;
        if new.head != *branch {
            return Err(Refusal::forbidden(
                "other_branch",
                format!("expected the head {branch}, not {}", new.head),
            ));
        }
        Ok(new)
    }
}

/// New texts of a pull request. Neither its base nor its state can be changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdatedPull {
    title: String,
    body: String,
}

impl UpdatedPull {
    /// # Errors
    /// The body is of another form.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        read(body)
    }
}

/// A comment on the pull request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewComment {
    body: String,
}

impl NewComment {
    /// # Errors
    /// The body is of another form.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        read(body)
    }
}

/// A pull request becomes a draft, or ready for review: the only query of GraphQL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetDraft {
    query: String,
    variables: Variables,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variables {
    id: String,
}

/// As the worker writes them, to the byte.
const QUERIES: [&str; 2] = [
    "mutation($id: ID!) { convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { isDraft } } }",
    "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } } }",
];

impl SetDraft {
    /// # Errors
    /// It is another query.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let set: Self = read(body)?;
        if !QUERIES.contains(&set.query.as_str()) {
            let message = "the only queries are those that make a pull request a draft, or ready for review";
            return Err(Refusal::forbidden("graphql", message));
        }
        Ok(set)
    }

    /// The node id of the pull request.
    pub(super) fn id(&self) -> &str {
        &self.variables.id
    }

    pub(super) fn query(&self) -> Value {
        json!({ "query": self.query, "variables": { "id": self.variables.id } })
    }
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::invalid(format!("the body: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch() -> BranchName {
        BranchName::parse("whim/7").unwrap()
    }

    fn new_pull(change: impl Fn(&mut Value)) -> Result<NewPull, Refusal> {
        let mut body = json!({ "title": "t", "body": "b", "head": "whim/7", "base": "main", "draft": true });
        change(&mut body);
        NewPull::parse(body.to_string().as_bytes(), &branch())
    }

    #[test]
    fn a_pull_request_comes_from_the_branch_of_the_attempt() {
        assert!(new_pull(|_| {}).is_ok());
        for change in [
            json!({ "head": "main" }),
            json!({ "head": "other:whim/7" }),
            json!({ "maintainer_can_modify": true }),
            json!({ "issue": 7 }),
            json!({ "head_repo": "x" }),
            json!({ "base": "a b" }),
            json!({ "draft": "yes" }),
        ] {
            let refused = new_pull(|body| {
                for (name, value) in change.as_object().unwrap() {
                    body[name] = value.clone();
                }
            });
            assert!(refused.is_err(), "{change}");
        }
    }

    #[test]
    fn only_texts_of_a_pull_request_are_updated() {
        assert!(UpdatedPull::parse(br#"{"title":"t","body":"b"}"#).is_ok());
        for body in [
            r#"{"title":"t","body":"b","base":"other"}"#,
            r#"{"title":"t","body":"b","state":"closed"}"#,
            r#"{"title":"t","title":"u","body":"b"}"#,
            r#"{"title":"t"}"#,
            "[]",
            "",
        ] {
            assert!(UpdatedPull::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn graphql_is_refused_but_for_two_queries() {
        let parse = |query: &str| {
            SetDraft::parse(
                json!({ "query": query, "variables": { "id": "PR_1" } })
                    .to_string()
                    .as_bytes(),
            )
        };
        for query in QUERIES {
            assert_eq!(parse(query).unwrap().query()["query"], query);
        }
        for query in [
            "query { viewer { login } }".to_owned(),
            format!("{} query {{ viewer {{ login }} }}", QUERIES[0]),
            QUERIES[0].replace("isDraft", "isDraft body"),
            QUERIES[0].replace(' ', "  "),
        ] {
            assert!(parse(&query).is_err(), "{query}");
        }
        let more = json!({ "query": QUERIES[0], "variables": { "id": "x" }, "operationName": "y" });
        assert!(SetDraft::parse(more.to_string().as_bytes()).is_err());
    }
}
