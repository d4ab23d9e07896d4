//! Turns an issue into a `POST /api/work` body.

use serde_json::Map;
use whim_core::protocol::work::{CreateWork, WorkMetadata};
use whim_core::{Priority, RepoName, SourceName, UserName};

use crate::github::Issue;
use crate::text;

/// The orchestrator's limit. The longest body that GitHub allows exceeds it together with the title.
const MAX_DESCRIPTION_BYTES: usize = 256 * 1024;

/// The source and the issue's number make the submission idempotent.
pub(crate) fn submission(repo: &RepoName, issue: &Issue, requested_by: Option<UserName>) -> CreateWork {
    CreateWork {
        repo: repo.clone(),
        branch: None,
        spec: None,
        description: Some(description(issue)),
        priority: Priority::from_labels(issue.labels.iter().map(String::as_str)),
        source: Some(SourceName::github()),
        source_ref: Some(issue.number.to_string()),
        requested_by,
        max_iterations: None,
        metadata: WorkMetadata {
            issue_number: Some(issue.number),
            issue_title: Some(issue.title.clone()),
            issue_url: Some(issue.url.clone()),
            base: None,
            other: Map::new(),
        },
    }
}

pub(crate) fn description(issue: &Issue) -> String {
    let body = issue.body.trim();
    let mut description = issue.title.clone();
    if !body.is_empty() {
        description.push_str("\n\n");
        description.push_str(body);
    }
    // Postgres cannot store this character.
    description.retain(|character| character != '\0');
    text::prefix(&description, MAX_DESCRIPTION_BYTES).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(body: &str) -> Issue {
        Issue {
            number: whim_core::IssueNumber::new(42).unwrap(),
            title: "Add a greeting".to_owned(),
            body: body.to_owned(),
            labels: vec!["whim".to_owned(), "Priority: High".to_owned()],
            url: "https://github.com/octocat/hello/issues/42".to_owned(),
            author: None,
        }
    }

    #[test]
    fn the_largest_issue_can_be_submitted() {
        let description = description(&issue(&"\u{1F980}".repeat(65_536)));
        assert!(description.len() <= MAX_DESCRIPTION_BYTES);
        assert!(description.starts_with("Add a greeting\n\n\u{1F980}"));
    }

    #[test]
    fn a_submission_names_its_issue_and_takes_the_priority_from_the_labels() {
        let issue = issue("Say hello; `$(touch x)`\0\n");
        let submission = submission(
            &RepoName::parse("octocat/hello").unwrap(),
            &issue,
            UserName::parse("octocat").ok(),
        );
        insta::assert_json_snapshot!(submission, @r#"
        {
          "repo": "octocat/hello",
          "description": "Add a greeting\n\nSay hello; `$(touch x)`",
          "priority": "high",
          "source": "github",
          "sourceRef": "42",
          "requestedBy": "octocat",
          "metadata": {
            "issueNumber": 42,
            "issueTitle": "Add a greeting",
            "issueUrl": "https://github.com/octocat/hello/issues/42"
          }
        }
        "#);
    }
}
