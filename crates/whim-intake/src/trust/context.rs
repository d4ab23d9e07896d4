//! The text that a request approves: the issue, and comments of people who may write to the repository.

use whim_core::source::parse_comment_marker;

use super::Request;
use crate::command::is_command;
use crate::github::{Comment, Issue};
use crate::text;
use crate::visible_text::VisibleText;

/// Of all comments together; the newest are kept.
const MAX_CONTEXT_BYTES: usize = 16 * 1024;
/// The orchestrator's limit. The longest body that GitHub allows exceeds it together with the title.
const MAX_DESCRIPTION_BYTES: usize = 256 * 1024;

/// The comments that belong to the text if their authors may write: written and last edited before the request, and neither
/// Whim's nor commands. Oldest first.
pub(crate) fn context_candidates<'c>(
    comments: &'c [Comment],
    request: &Request,
) -> impl DoubleEndedIterator<Item = &'c Comment> {
    let until = request.at;
    comments.iter().filter(move |comment| {
        comment.created_at < until
            && comment.updated_at < until
            && parse_comment_marker(&comment.body).is_none()
            && !is_command(&comment.body)
    })
}

/// What a reader of the issue and of these comments can see, as plain text, and what was removed.
pub(crate) fn description(issue: &Issue, comments: &[&Comment]) -> VisibleText {
    let VisibleText {
        text: mut description,
        mut removed,
    } = VisibleText::of_title(&issue.title);
    let body = VisibleText::of_markdown(&issue.body);
    removed.extend(body.removed);
    if !body.text.is_empty() {
        description.push_str("\n\n");
        description.push_str(&body.text);
    }
    for quoted in newest_within_limit(comments) {
        removed.extend(quoted.removed);
        description.push_str("\n\n");
        description.push_str(&quoted.text);
    }
    VisibleText {
        text: text::prefix(&description, MAX_DESCRIPTION_BYTES).to_owned(),
        removed,
    }
}

fn newest_within_limit(comments: &[&Comment]) -> Vec<VisibleText> {
    let mut bytes = 0;
    let mut kept: Vec<VisibleText> = comments
        .iter()
        .rev()
        .map(|comment| quoted(comment))
        .take_while(|quoted| {
            bytes += quoted.text.len();
            bytes <= MAX_CONTEXT_BYTES
        })
        .collect();
    kept.reverse();
    kept
}

fn quoted(comment: &Comment) -> VisibleText {
    let VisibleText { text, removed } = VisibleText::of_markdown(&comment.body);
    let author = comment.author.as_ref();
    let author = author.map_or("a deleted account", |author| &author.login);
    VisibleText {
        text: format!("Comment by {author}:\n{}", quote(&text)),
        removed,
    }
}

/// Words of a command for the agent, which are visible text already.
pub(crate) fn quoted_note(author: &str, note: &str) -> String {
    format!("Note by {author}, for this run:\n{}", quote(note))
}

fn quote(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| format!("> {line}").trim_end().to_owned())
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use whim_core::IssueNumber;
    use whim_core::source::{CommentSubject, comment_marker};

    use super::*;
    use crate::github::{Account, comment_for_tests};
    use crate::trust::RequestId;

    fn account(login: &str) -> Account {
        Account {
            id: 1,
            login: login.to_owned(),
            is_bot: false,
        }
    }

    fn issue(title: &str, body: &str) -> Issue {
        Issue {
            number: IssueNumber::MIN,
            title: title.to_owned(),
            body: body.to_owned(),
            labels: vec![],
            is_open: true,
            url: String::new(),
            author: None,
            comments: 0,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn comments_are_quoted_with_their_authors_and_without_what_is_hidden() {
        let comments = [
            comment_for_tests(account("ana"), "Be friendly.\n\nAnd <!-- evil --> short.", 1),
            comment_for_tests(account("bob"), "Yes", 2),
        ];
        let comments: Vec<&Comment> = comments.iter().collect();
        let described = description(&issue("Say\nhello", "Please."), &comments);
        insta::assert_snapshot!(described.text, @r"
        Say hello

        Please.

        Comment by ana:
        > Be friendly.
        >
        > And short.

        Comment by bob:
        > Yes
        ");
        assert_eq!(described.removed, ["evil"]);
    }

    #[test]
    fn the_newest_comments_are_kept_within_the_limit() {
        let long = "x".repeat(MAX_CONTEXT_BYTES / 2);
        let comments: Vec<Comment> = (1..=4)
            .map(|second| comment_for_tests(account("ana"), &format!("{second}{long}"), second))
            .chain([comment_for_tests(account("ana"), "newest", 5)])
            .collect();
        let comments: Vec<&Comment> = comments.iter().collect();
        let text = description(&issue("t", ""), &comments).text;
        assert!(text.len() < MAX_CONTEXT_BYTES + 100, "{}", text.len());
        assert!(text.contains("> 4x") && !text.contains("> 3x"));
        assert!(text.ends_with("> newest"));
    }

    #[test]
    fn the_largest_issue_can_be_submitted() {
        let text = description(&issue("Add a greeting", &"\u{1F980}".repeat(65_536)), &[]).text;
        assert!(text.len() <= MAX_DESCRIPTION_BYTES);
        assert!(text.starts_with("Add a greeting\n\n\u{1F980}"));
    }

    #[test]
    fn only_comments_from_before_the_request_are_context() {
        let request = Request {
            id: RequestId::Label(1),
            at: DateTime::from_timestamp(100, 0).unwrap(),
            by: None,
        };
        let mut edited = comment_for_tests(account("ana"), "edited later", 50);
        edited.updated_at = request.at;
        let comments = [
            comment_for_tests(account("ana"), "before", 99),
            edited,
            comment_for_tests(account("ana"), "in the same second", 100),
            comment_for_tests(account("ana"), "@whim retry", 60),
            comment_for_tests(account("ana"), "@Whim, status", 61),
            comment_for_tests(
                account("whim-bot"),
                &format!("text\n\n{}", comment_marker(CommentSubject::NotStarted)),
                62,
            ),
        ];
        let kept: Vec<&str> = context_candidates(&comments, &request)
            .map(|comment| comment.body.as_str())
            .collect();
        assert_eq!(kept, ["before"]);
    }
}
