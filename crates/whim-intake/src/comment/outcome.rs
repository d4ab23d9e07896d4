//! How a run ended.

use url::Url;
use whim_core::protocol::work::WorkItem;
use whim_core::source::{CommentSubject, comment_marker};
use whim_core::{IssueNumber, WorkItemStatus};

use super::not_started::{Refusal, explanation};
use super::quote::fenced;
use crate::github::Issue;
use crate::labels::{FAILED, NEEDS_INFO, has};

/// Far below GitHub's limit of 65536 characters per comment.
const MAX_REASON_BYTES: usize = 4000;

/// What the comment on an ended item is made of.
#[derive(Debug, Clone)]
pub(crate) struct Outcome<'a> {
    pub(crate) item: &'a WorkItem,
    /// A pull request of a cancelled item that is open.
    pub(crate) open_pull_request: Option<IssueNumber>,
    /// Why another run was requested and not started.
    pub(crate) refusal: Option<&'a Refusal>,
    /// Notes of the run that no agent had.
    pub(crate) undelivered_notes: usize,
    /// Why the latest command was not carried out.
    pub(crate) notice: Option<String>,
}

pub(crate) fn outcome(issue: &Issue, outcome: Outcome<'_>, intake_label: &str) -> String {
    let Outcome {
        item,
        open_pull_request,
        refusal,
        undelivered_notes,
        notice,
    } = outcome;
    let mut parts = vec![match item.status {
        WorkItemStatus::Completed => completed(item),
        WorkItemStatus::Cancelled => cancelled(issue, item, open_pull_request, intake_label),
        WorkItemStatus::Failed
        | WorkItemStatus::Generating
        | WorkItemStatus::Queued
        | WorkItemStatus::Assigned
        | WorkItemStatus::InProgress => failed(issue, item),
    }];
    if let Some(refusal) = refusal {
        let explanation = explanation(refusal, intake_label);
        parts.push(format!(
            "**Another run was requested, and not started.** {explanation}"
        ));
    }
    parts.extend(unread(undelivered_notes));
    parts.extend(notice);
    parts.push(comment_marker(CommentSubject::Run {
        item: item.id,
        run: item.run,
        ended: true,
    }));
    parts.join("\n\n")
}

fn unread(undelivered_notes: usize) -> Option<String> {
    let notes = match undelivered_notes {
        0 => return None,
        1 => "the last note".to_owned(),
        count => format!("the last {count} notes"),
    };
    Some(format!(
        "No agent has read {notes} of this run. To start another run, write `@whim` and the words again."
    ))
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
    let mut text = format!("**Whim could not finish this issue.**\n\n{}", reason(item));
    if let Some(progress) = progress(issue, item) {
        text.push_str("\n\n");
        text.push_str(&progress);
    }
    text.push_str("\n\nTo run Whim again, fix the cause and remove the label `ai-failed`.");
    text
}

fn cancelled(issue: &Issue, item: &WorkItem, open: Option<IssueNumber>, intake_label: &str) -> String {
    let open = open.map(|number| {
        format!("\n\nThe pull request #{number} of its branch is open. Close it, unless you want it.")
    });
    format!(
        "**The work on this issue was cancelled.**\n\n{}{}\n\n{}",
        reason(item),
        open.unwrap_or_default(),
        how_to_run_again(issue, intake_label)
    )
}

fn how_to_run_again(issue: &Issue, intake_label: &str) -> String {
    if has(&issue.labels, NEEDS_INFO) {
        return format!("To run Whim again, remove the label `{NEEDS_INFO}`.");
    }
    if has(&issue.labels, intake_label) {
        return format!("To run Whim again, remove the label `{FAILED}`.");
    }
    let label = intake_label.replace('`', "");
    format!("To run Whim again, add the label `{label}`.")
}

fn reason(item: &WorkItem) -> String {
    let error = item.error.as_deref().unwrap_or_default();
    let error = if error.trim().is_empty() {
        "No reason was given."
    } else {
        error
    };
    fenced(error, MAX_REASON_BYTES)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::item_for_tests;
    use super::*;

    fn item(status: &str, more: Value) -> WorkItem {
        item_for_tests(status, &more)
    }

    fn comment(item: &WorkItem) -> String {
        let ended = Outcome {
            item,
            open_pull_request: None,
            refusal: None,
            undelivered_notes: 0,
            notice: None,
        };
        outcome(&issue(), ended, "whim")
    }

    fn issue() -> Issue {
        Issue {
            number: IssueNumber::new(7).unwrap(),
            title: "Say hello".to_owned(),
            body: String::new(),
            labels: vec!["whim".to_owned()],
            is_open: true,
            url: "https://github.com/octocat/hello/issues/7".to_owned(),
            author: None,
            comments: 0,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_completed_item_gives_the_link() {
        let item = item(
            "completed",
            json!({"prNumber": 8, "prUrl": "https://github.com/octocat/hello/pull/8", "tasksDone": 2}),
        );
        insta::assert_snapshot!(comment(&item), @r"
        **Whim opened a pull request: #8 (<https://github.com/octocat/hello/pull/8>)**

        All 2 tasks of its checklist are done. Merging it closes this issue.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 state=ended -->
        ");
    }

    #[test]
    fn a_failed_item_quotes_the_reason_and_says_what_to_do() {
        let item = item(
            "failed",
            json!({"error": "```\nthanks @octocat, closes #1", "tasksDone": 1}),
        );
        insta::assert_snapshot!(comment(&item), @r"
        **Whim could not finish this issue.**

        ````text
        ```
        thanks @octocat, closes #1
        ````

        1 of 2 tasks are done; the work is on the branch [`whim/7-hello-00000001`](https://github.com/octocat/hello/tree/whim/7-hello-00000001).

        To run Whim again, fix the cause and remove the label `ai-failed`.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 state=ended -->
        ");
    }

    #[test]
    fn a_cancelled_item_says_who_and_why() {
        let item = item(
            "cancelled",
            json!({"error": "cancelled by ada: not needed any more"}),
        );
        insta::assert_snapshot!(comment(&item), @r"
        **The work on this issue was cancelled.**

        ```text
        cancelled by ada: not needed any more
        ```

        To run Whim again, remove the label `ai-failed`.

        <!-- whim:item=0193c5a0-0000-7000-8000-000000000001 run=2 state=ended -->
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
        let comment = comment(&item);
        assert!(comment.len() < 5_000);
        assert!(comment.contains("\n@octocatxxx"));
    }

    #[test]
    fn a_refused_request_keeps_the_outcome() {
        let item = item("failed", json!({"error": "red tests"}));
        let refusal = Refusal::NotAllowed {
            by: Some("mallory".to_owned()),
        };
        let ended = Outcome {
            item: &item,
            open_pull_request: None,
            refusal: Some(&refusal),
            undelivered_notes: 0,
            notice: None,
        };
        let text = outcome(&issue(), ended, "whim");
        assert!(
            text.starts_with("**Whim could not finish this issue.**"),
            "{text}"
        );
        assert!(
            text.contains("**Another run was requested, and not started.** Thank you"),
            "{text}"
        );
        assert!(text.ends_with("state=ended -->"), "{text}");
    }

    #[test]
    fn a_marker_in_a_reason_does_not_count() {
        use whim_core::source::parse_comment_marker;
        let id = item("failed", json!({})).id;
        let marker = |run, ended| comment_marker(CommentSubject::Run { item: id, run, ended });
        let error = format!("{} {}", marker(1, true), marker(3, false));
        let text = comment(&item("failed", json!({"error": error})));
        let expected = CommentSubject::Run {
            item: id,
            run: 2,
            ended: true,
        };
        assert_eq!(parse_comment_marker(&text), Some(expected));
    }

    #[test]
    fn a_cancelled_item_says_which_label_starts_it_again() {
        let item = item("cancelled", json!({}));
        for (labels, label) in [
            (&["whim"][..], "remove the label `ai-failed`"),
            (&[], "add the label `whim`"),
            (&["whim", "ai-needs-info"], "remove the label `ai-needs-info`"),
        ] {
            let mut issue = issue();
            issue.labels = labels.iter().map(|&label| label.to_owned()).collect();
            let ended = Outcome {
                item: &item,
                open_pull_request: None,
                refusal: None,
                undelivered_notes: 0,
                notice: None,
            };
            let text = outcome(&issue, ended, "whim");
            assert!(text.contains(&format!("To run Whim again, {label}.")), "{text}");
        }
    }
}
