//! Posts the outcome of an item on its issue: one comment, and the labels.

use url::Url;
use whim_core::protocol::work::WorkItem;
use whim_core::source::comment_marker;
use whim_core::{IssueNumber, RepoName, WorkItemStatus};

use crate::github::{GitHub, GitHubError, Issue};
use crate::labels::LabelUpdate;
use crate::text;

/// Far below GitHub's limit of 65536 characters per comment.
const MAX_REASON_BYTES: usize = 4000;

/// Whether one of the comments is the intake's for the item's current run: it ends with the marker. A marker elsewhere in
/// a comment may come from an agent or a user.
pub(crate) fn is_reflected(comments: &[String], item: &WorkItem) -> bool {
    let marker = comment_marker(item.id, item.run);
    comments
        .iter()
        .any(|comment| comment.trim_end().ends_with(&marker))
}

/// Comments, unless that was done before, and then updates the labels. After a kill between two calls, the next poll
/// continues.
pub(crate) async fn reflect(
    github: &GitHub,
    repo: &RepoName,
    issue: &Issue,
    item: &WorkItem,
    already_commented: bool,
) -> Result<(), GitHubError> {
    if !already_commented {
        let open = match item.status {
            // Its worker may have opened it before it learned of the cancellation.
            WorkItemStatus::Cancelled => github.open_pull_request(repo, &item.branch).await?,
            WorkItemStatus::Completed
            | WorkItemStatus::Failed
            | WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => None,
        };
        let comment = comment(issue, item, open);
        github.comment(repo, issue.number, &comment).await?;
    }
    update_labels(github, repo, issue, item.status).await?;
    tracing::info!(repo = %repo, issue = %issue.number, work_item = %item.id, run = item.run, status = %item.status, "posted the outcome on the issue");
    Ok(())
}

pub(crate) async fn update_labels(
    github: &GitHub,
    repo: &RepoName,
    issue: &Issue,
    status: WorkItemStatus,
) -> Result<(), GitHubError> {
    let update = LabelUpdate::for_status(status, &issue.labels);
    if let Some(label) = update.add {
        github.add_label(repo, issue.number, label).await?;
    }
    for label in update.remove {
        github.remove_label(repo, issue.number, label).await?;
    }
    Ok(())
}

/// `open`: a pull request of a cancelled item that is open.
fn comment(issue: &Issue, item: &WorkItem, open: Option<IssueNumber>) -> String {
    let text = match item.status {
        WorkItemStatus::Completed => completed(item),
        WorkItemStatus::Cancelled => cancelled(item, open),
        WorkItemStatus::Failed
        | WorkItemStatus::Generating
        | WorkItemStatus::Queued
        | WorkItemStatus::Assigned
        | WorkItemStatus::InProgress => failed(issue, item),
    };
    format!("{text}\n\n{}", comment_marker(item.id, item.run))
}

fn completed(item: &WorkItem) -> String {
    // GitHub renders `#7` as a link with the title. The URL is for readers of the notification mail.
    let number = item.pr_number.map(|number| format!("#{number}"));
    let url = item.pr_url.as_deref().and_then(link);
    let pull_request = match (number, url) {
        (Some(number), Some(url)) => format!(": {number} ({url})"),
        (Some(only), None) | (None, Some(only)) => format!(": {only}"),
        (None, None) => String::new(),
    };
    let done = match item.tasks_done {
        0 => String::new(),
        1 => "The one task of its checklist is done. ".to_owned(),
        count => format!("All {count} tasks of its checklist are done. "),
    };
    format!("**Whim opened a pull request{pull_request}**\n\n{done}Merging it closes this issue.")
}

/// A URL that a worker reported. It is parsed and formatted again, so that it contains neither spaces nor brackets.
fn link(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| format!("<{url}>"))
}

fn failed(issue: &Issue, item: &WorkItem) -> String {
    let mut text = format!(
        "**Whim could not finish this issue.**\n\n{}",
        quoted(item.error.as_deref())
    );
    if let Some(progress) = progress(issue, item) {
        text.push_str("\n\n");
        text.push_str(&progress);
    }
    text.push_str("\n\nTo run Whim again, fix the cause and remove the label `ai-failed`.");
    text
}

fn cancelled(item: &WorkItem, open: Option<IssueNumber>) -> String {
    let open = open.map(|number| {
        format!("\n\nThe pull request #{number} of its branch is open. Close it, unless you want it.")
    });
    format!(
        "**The work on this issue was cancelled.**\n\n{}{}\n\nTo run Whim again, remove the label `ai-failed`.",
        quoted(item.error.as_deref()),
        open.unwrap_or_default()
    )
}

/// `None` if no task is done.
fn progress(issue: &Issue, item: &WorkItem) -> Option<String> {
    if item.tasks_done == 0 {
        return None;
    }
    let branch = &item.branch;
    let page = issue.url.split("/issues/").next().unwrap_or(&issue.url);
    Some(format!(
        "{} of {} tasks are done; the work is on the branch [`{branch}`]({page}/tree/{branch}).",
        item.tasks_done, item.tasks_total
    ))
}

/// A text of an agent, a test runner or a caller, in a code fence that it cannot close: it mentions no one, closes no issue
/// and renders no Markdown.
fn quoted(text: Option<&str>) -> String {
    let text = text::strip_invisible(text.unwrap_or_default());
    let text = match text.trim() {
        "" => "No reason was given.",
        text => text,
    };
    let mut shown = text::prefix(text, MAX_REASON_BYTES).to_owned();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let longest_run = shown
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest_run.max(2) + 1);
    format!("{fence}text\n{shown}\n{fence}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use whim_core::IssueNumber;

    use super::*;

    fn item(status: &str, more: Value) -> WorkItem {
        let mut fields = json!({
            "id": "0193c5a0-0000-7000-8000-000000000001", "repo": "octocat/hello", "branch": "whim/7-hello-00000001",
            "status": status, "priority": "medium", "source": "github", "sourceRef": "7", "retries": 0, "maxRetries": 3,
            "leaseEpoch": 1, "run": 2, "iteration": 2, "tasksTotal": 2, "tasksDone": 0,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        serde_json::from_value(fields).unwrap()
    }

    fn issue() -> Issue {
        Issue {
            number: IssueNumber::new(7).unwrap(),
            title: "Say hello".to_owned(),
            body: String::new(),
            labels: vec![],
            url: "https://github.com/octocat/hello/issues/7".to_owned(),
            author: None,
        }
    }

    #[test]
    fn a_completed_item_gives_the_link() {
        let item = item(
            "completed",
            json!({"prNumber": 8, "prUrl": "https://github.com/octocat/hello/pull/8", "tasksDone": 2}),
        );
        insta::assert_snapshot!(comment(&issue(), &item, None), @r"
        **Whim opened a pull request: #8 (<https://github.com/octocat/hello/pull/8>)**

        All 2 tasks of its checklist are done. Merging it closes this issue.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 -->
        ");
    }

    #[test]
    fn a_failed_item_quotes_the_reason_and_says_what_to_do() {
        let item = item(
            "failed",
            json!({"error": "```\nthanks @octocat, closes #1", "tasksDone": 1}),
        );
        insta::assert_snapshot!(comment(&issue(), &item, None), @r"
        **Whim could not finish this issue.**

        ````text
        ```
        thanks @octocat, closes #1
        ````

        1 of 2 tasks are done; the work is on the branch [`whim/7-hello-00000001`](https://github.com/octocat/hello/tree/whim/7-hello-00000001).

        To run Whim again, fix the cause and remove the label `ai-failed`.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 -->
        ");
    }

    #[test]
    fn a_cancelled_item_says_who_and_why() {
        let item = item(
            "cancelled",
            json!({"error": "cancelled by ada: not needed any more"}),
        );
        insta::assert_snapshot!(comment(&issue(), &item, None), @r"
        **The work on this issue was cancelled.**

        ```text
        cancelled by ada: not needed any more
        ```

        To run Whim again, remove the label `ai-failed`.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 -->
        ");
    }

    #[test]
    fn the_url_of_a_pull_request_stays_a_link() {
        let hostile = "https://evil.example/pull/8> @octocat closes #1";
        let item = item("completed", json!({"prUrl": hostile, "tasksDone": 1}));
        insta::assert_snapshot!(completed(&item), @r"
        **Whim opened a pull request: <https://evil.example/pull/8%3E%20@octocat%20closes%20#1>**

        The one task of its checklist is done. Merging it closes this issue.
        ");
        assert_eq!(link("javascript:alert(1)"), None);
        assert_eq!(link("@octocat"), None);
    }

    #[test]
    fn a_long_reason_is_cut_and_invisible_characters_are_removed() {
        let item = item(
            "failed",
            json!({"error": format!("\u{202E}@octocat{}", "x".repeat(100_000))}),
        );
        let comment = comment(&issue(), &item, None);
        assert!(comment.len() < 5_000);
        assert!(comment.contains("\n@octocatxxx"));
    }

    #[test]
    fn only_the_comment_of_this_run_counts() {
        let item = item("failed", json!({}));
        let of_run = |run| format!("text\n\n{}", comment_marker(item.id, run));
        assert!(is_reflected(&["hello".to_owned(), of_run(2)], &item));
        assert!(!is_reflected(&["hello".to_owned(), of_run(1)], &item));
    }

    #[test]
    fn a_marker_in_a_reason_does_not_count() {
        let id = item("failed", json!({})).id;
        let (first, second) = (comment_marker(id, 1), comment_marker(id, 2));
        let hostile = item("failed", json!({"error": format!("{first} {second}"), "run": 1}));
        let comments = [comment(&issue(), &hostile, None)];
        assert!(is_reflected(&comments, &hostile));
        assert!(!is_reflected(&comments, &item("failed", json!({"run": 2}))));
    }
}
