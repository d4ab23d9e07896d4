//! The rules of GitHub ("rulesets") that apply to the branch. Those that no push of Whim can ever meet end the attempt; a dry run
//! of a push does not check them.

use std::time::Duration;

use http::StatusCode;
use regex::Regex;
use serde::Deserialize;
use url::form_urlencoded;
use whim_core::{FailureCause, RepoName};

use crate::identity::Identity;
use crate::outcome::Failure;
use crate::pull_request::{Api, ApiError};
use crate::retry::retry_until_deadline;
use crate::workspace::Workspace;

/// GitHub's limit of a page. More rules apply to no real branch.
const MAX_RULES: &str = "100";

/// Whose rules are read, and for which branch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) api: &'a Api,
    /// How long a failed request is retried.
    pub(super) retry_timeout: Duration,
    pub(super) repo: &'a RepoName,
    /// The author of commits.
    pub(super) identity: &'a Identity,
    pub(super) workspace: &'a Workspace,
}

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) finding: Result<Option<String>, Failure>,
    pub(super) allows_merges: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    parameters: Option<Pattern>,
    ruleset_id: Option<u64>,
}

/// The parameters of a rule about a text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Pattern {
    /// `starts_with`, `ends_with`, `contains` or `regex`.
    operator: String,
    pattern: String,
    negate: bool,
}

#[derive(Debug, Deserialize)]
struct Ruleset {
    name: String,
    /// `always`, `pull_requests_only`, `never` or `exempt`.
    current_user_can_bypass: Option<String>,
}

pub(super) async fn read(subject: Subject<'_>) -> Rules {
    let Subject { repo, workspace, .. } = subject;
    // As one segment of the path. A branch contains no spaces, which this would write as `+`.
    let branch: String = form_urlencoded::byte_serialize(workspace.branch().as_str().as_bytes()).collect();
    let path = format!("/repos/{repo}/rules/branches/{branch}");
    let rules: Vec<Rule> = match get(subject, &path, &[("per_page", MAX_RULES)]).await {
        Ok(rules) => rules,
        Err(error) if has_no_rulesets(&error) => Vec::new(),
        // One of them may want a linear history, and the token's user may be able to push a merge in spite of it.
        Err(error) => return Rules::unread(&error, false),
    };
    let allows_merges = !rules.iter().any(|rule| rule.kind == "required_linear_history");
    for rule in &rules {
        let is_new = workspace.remote_head().is_none();
        let Some(obstacle) = rule.obstacle(workspace.branch().as_str(), is_new, subject.identity) else {
            continue;
        };
        let ruleset = match rule.ruleset_id {
            Some(id) => get(subject, &format!("/repos/{repo}/rulesets/{id}"), &[]).await,
            None => continue,
        };
        let ruleset: Ruleset = match ruleset {
            Ok(ruleset) => ruleset,
            Err(error) => return Rules::unread(&error, allows_merges),
        };
        if matches!(
            ruleset.current_user_can_bypass.as_deref(),
            Some("always" | "exempt")
        ) {
            continue;
        }
        let Ruleset { name, .. } = ruleset;
        let branch = workspace.branch();
        let reason = format!(
            "the ruleset {name:?} of the repository refuses every push of Whim to {branch}: {obstacle}. Exclude the branches of \
             Whim from it or let the user of GITHUB_TOKEN bypass it"
        );
        return Rules {
            finding: Err(Failure::new(FailureCause::PushRefused, reason)),
            allows_merges,
        };
    }
    Rules {
        finding: Ok(None),
        allows_merges,
    }
}

async fn get<T: serde::de::DeserializeOwned>(
    subject: Subject<'_>,
    path: &str,
    query: &[(&str, &str)],
) -> Result<T, ApiError> {
    retry_until_deadline(
        "reading the rules of the branch",
        subject.retry_timeout,
        async || subject.api.get(path, query).await,
    )
    .await
}

/// A server or a plan without rulesets: private repositories of a free plan have none.
fn has_no_rulesets(error: &ApiError) -> bool {
    let ApiError::Refused { status, message } = error else {
        return false;
    };
    *status == StatusCode::NOT_FOUND || (*status == StatusCode::FORBIDDEN && message.contains("Upgrade to "))
}

impl Rules {
    /// The push shows whether they forbid it.
    fn unread(error: &ApiError, allows_merges: bool) -> Self {
        let error = whim_service::chain::chain(error);
        Self {
            finding: Ok(Some(format!(
                "The rules of the branch could not be read: {error}"
            ))),
            allows_merges,
        }
    }
}

impl Rule {
    /// Why no push can meet it, if so. `is_new`: the branch has to be created.
    fn obstacle(&self, branch: &str, is_new: bool, identity: &Identity) -> Option<String> {
        let text = self.parameters.clone().unwrap_or_default();
        let refuses = |value: &str| text.matches(value) == Some(text.negate);
        let Pattern { pattern, negate, .. } = &text;
        let not = if *negate { "not " } else { "" };
        match self.kind.as_str() {
            "creation" if is_new => Some("it restricts the creation of branches".to_owned()),
            "update" => Some("it restricts updates of branches".to_owned()),
            "pull_request" => Some("it requires a pull request for every change of a branch".to_owned()),
            "required_signatures" => Some("it requires signed commits, and Whim signs none".to_owned()),
            "required_status_checks" | "required_deployments" | "merge_queue" => Some(format!(
                "its rule `{}` lets no commit be pushed directly",
                self.kind
            )),
            "branch_name_pattern" if refuses(branch) => Some(format!(
                "the name of a branch must {not}match {pattern:?}; BRANCH_PREFIX sets the beginning of the names"
            )),
            "commit_author_email_pattern" | "committer_email_pattern" if refuses(&identity.email) => {
                Some(format!(
                    "the email address of commits must {not}match {pattern:?}, and {} does not; GIT_AUTHOR_NAME and \
                     GIT_AUTHOR_EMAIL set another",
                    identity.email
                ))
            }
            _ => None,
        }
    }
}

impl Pattern {
    /// `None` if it cannot be decided.
    fn matches(&self, value: &str) -> Option<bool> {
        let pattern = self.pattern.as_str();
        Some(match self.operator.as_str() {
            "starts_with" => value.starts_with(pattern),
            "ends_with" => value.ends_with(pattern),
            "contains" => value.contains(pattern),
            "regex" => Regex::new(pattern).ok()?.is_match(value),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn obstacle(rule: Value, is_new: bool) -> Option<String> {
        let rule: Rule = serde_json::from_value(rule).unwrap();
        let identity = Identity {
            name: "whim".to_owned(),
            email: "1+whim@users.noreply.github.com".to_owned(),
        };
        rule.obstacle("whim/7-say-hello", is_new, &identity)
    }

    fn text(kind: &str, operator: &str, pattern: &str, negate: bool) -> Value {
        json!({ "type": kind, "parameters": { "operator": operator, "pattern": pattern, "negate": negate } })
    }

    #[test]
    fn rules_that_no_push_meets_are_told_from_the_others() {
        for kind in [
            "deletion",
            "non_fast_forward",
            "required_linear_history",
            "creation",
            "new_rule",
        ] {
            assert_eq!(obstacle(json!({ "type": kind }), false), None, "{kind}");
        }
        assert!(obstacle(json!({ "type": "creation" }), true).is_some());
        for kind in [
            "update",
            "required_signatures",
            "pull_request",
            "required_status_checks",
            "merge_queue",
        ] {
            assert!(
                obstacle(json!({ "type": kind, "parameters": {} }), false).is_some(),
                "{kind}"
            );
        }
    }

    #[test]
    fn rules_about_names_and_addresses_are_compared() {
        let branch = "branch_name_pattern";
        for (rule, is_obstacle) in [
            (text(branch, "starts_with", "whim/", false), false),
            (text(branch, "starts_with", "feature/", false), true),
            (text(branch, "starts_with", "feature/", true), false),
            (text(branch, "contains", "hello", true), true),
            (text(branch, "ends_with", "hello", false), false),
            (text(branch, "regex", r"^[a-z]+/\d+-[a-z-]+$", false), false),
            (text(branch, "regex", r"^JIRA-\d+", false), true),
            // Not decided here.
            (text(branch, "regex", "(?=x)", false), false),
            (text(branch, "like", "x", false), false),
            (
                text("commit_author_email_pattern", "ends_with", "@example.com", false),
                true,
            ),
            (
                text("committer_email_pattern", "contains", "noreply", false),
                false,
            ),
            (text("commit_message_pattern", "contains", "JIRA", false), false),
        ] {
            assert_eq!(obstacle(rule.clone(), false).is_some(), is_obstacle, "{rule}");
        }
    }
}
