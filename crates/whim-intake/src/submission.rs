//! Turns an approved issue into a `POST /api/work` body.

use serde_json::Map;
use whim_core::protocol::work::{Approval, CreateWork, WorkMetadata};
use whim_core::source::TextHash;
use whim_core::{Priority, RepoName, SourceName, UserName};

use crate::github::Issue;
use crate::trust::Request;
use crate::visible_text::VisibleText;

/// The text of a run, and whose request it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApprovedText {
    pub(crate) description: String,
    pub(crate) approval: Approval,
}

impl ApprovedText {
    /// `approved_by`: the account of the request.
    pub(crate) fn new(description: String, request: &Request, approved_by: (UserName, u64)) -> Self {
        let (approved_by, approved_by_id) = approved_by;
        let approval = Approval {
            approved_by,
            approved_by_id,
            approved_at: request.at,
            event_id: request.id.number(),
            text_sha256: TextHash::of(&description),
        };
        Self {
            description,
            approval,
        }
    }
}

/// The source and the issue's number make the submission idempotent.
pub(crate) fn submission(repo: &RepoName, issue: &Issue, text: ApprovedText) -> CreateWork {
    CreateWork {
        repo: repo.clone(),
        branch: None,
        spec: None,
        description: Some(text.description),
        priority: Priority::from_labels(issue.labels.iter().map(String::as_str)).unwrap_or_default(),
        source: Some(SourceName::github()),
        source_ref: Some(issue.number.to_string()),
        requested_by: Some(text.approval.approved_by.clone()),
        max_iterations: None,
        metadata: WorkMetadata {
            issue_number: Some(issue.number),
            issue_title: Some(VisibleText::of_title(&issue.title).text),
            issue_url: Some(issue.url.clone()),
            base: None,
            approval: Some(text.approval),
            other: Map::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::trust::RequestId;

    #[test]
    fn a_submission_names_its_issue_and_takes_the_priority_from_the_labels() {
        let issue = Issue {
            number: whim_core::IssueNumber::new(42).unwrap(),
            title: "Add\u{200B} a greeting".to_owned(),
            body: String::new(),
            labels: vec!["whim".to_owned(), "Priority: High".to_owned()],
            is_open: true,
            url: "https://github.com/octocat/hello/issues/42".to_owned(),
            author: None,
            comments: 0,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let request = Request {
            id: RequestId::Label(7),
            at: DateTime::UNIX_EPOCH,
            by: None,
        };
        let octocat = UserName::parse("octocat").unwrap();
        let text = ApprovedText::new("Add a greeting".to_owned(), &request, (octocat, 5));
        let submission = submission(&RepoName::parse("octocat/hello").unwrap(), &issue, text);
        insta::assert_json_snapshot!(submission, @r#"
        {
          "repo": "octocat/hello",
          "description": "Add a greeting",
          "priority": "high",
          "source": "github",
          "sourceRef": "42",
          "requestedBy": "octocat",
          "metadata": {
            "issueNumber": 42,
            "issueTitle": "Add a greeting",
            "issueUrl": "https://github.com/octocat/hello/issues/42",
            "approval": {
              "approvedBy": "octocat",
              "approvedById": 5,
              "approvedAt": "1970-01-01T00:00:00Z",
              "eventId": 7,
              "textSha256": "c239ab244d6cbd278268b0f1749baf00ff6b4b2d87e9de9e842c3f3b8e97554b"
            }
          }
        }
        "#);
    }
}
