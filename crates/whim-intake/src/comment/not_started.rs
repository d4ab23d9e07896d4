//! Why no run was started.

use whim_core::source::{CommentSubject, comment_marker};

use super::quote::{fenced, name};
use crate::trust::Edit;

const MAX_DIFF_BYTES: usize = 2000;
const MAX_EDITS: usize = 5;

/// Why a request starts no run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `None` if the account was deleted.
    NotAllowed { by: Option<String> },
    /// The text is not the one that was approved.
    Edited(Vec<Edit>),
}

/// The comment on an issue that never had a run.
pub(crate) fn not_started(refusal: &Refusal, intake_label: &str) -> String {
    format!(
        "**No work was started on this issue.**\n\n{}\n\n{}",
        explanation(refusal, intake_label),
        comment_marker(CommentSubject::NotStarted)
    )
}

pub(super) fn explanation(refusal: &Refusal, intake_label: &str) -> String {
    match refusal {
        Refusal::NotAllowed { by } => {
            let who = match by {
                Some(by) => format!("{} requested the run with a label", name(by)),
                None => "It is not known who requested the run".to_owned(),
            };
            format!(
                "Thank you for the request. {who}, and Whim works only for people who may write to this repository.\n\nA user who may can start it: read the issue, and then remove the label `ai-refused`."
            )
        }
        Refusal::Edited(edits) => {
            let shown: Vec<String> = edits.iter().take(MAX_EDITS).map(edit).collect();
            format!(
                "The issue was edited after the run was requested, and Whim works only on the text that was requested.\n\n{}\n\n\
                 Read the issue again, and then add the label `{}` again.",
                shown.join("\n\n"),
                intake_label.replace('`', "")
            )
        }
    }
}

fn edit(edit: &Edit) -> String {
    let who = |by: &Option<String>| by.as_deref().map_or_else(|| "An unknown user".to_owned(), name);
    match edit {
        Edit::Title { from, to, by } => format!(
            "{} changed the title:\n\n{}",
            who(by),
            fenced(&format!("- {from}\n+ {to}"), MAX_DIFF_BYTES)
        ),
        Edit::Body { by, diff: Some(diff) } => format!(
            "{} changed the description. GitHub's record of the change:\n\n{}",
            who(by),
            fenced(diff, MAX_DIFF_BYTES)
        ),
        Edit::Body { by, diff: None } => format!("{} changed the description.", who(by)),
        Edit::Unknown { at } => format!(
            "It changed at {}, and `GITHUB_TOKEN` may not read how.",
            at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_gets_a_polite_answer() {
        let refusal = Refusal::NotAllowed {
            by: Some("mallory".to_owned()),
        };
        insta::assert_snapshot!(not_started(&refusal, "whim"), @r"
        **No work was started on this issue.**

        Thank you for the request. `mallory` requested the run with a label, and Whim works only for people who may write to this repository.

        A user who may can start it: read the issue, and then remove the label `ai-refused`.

        <!-- whim:not-started -->
        ");
    }

    #[test]
    fn edits_are_shown_as_text() {
        let refusal = Refusal::Edited(vec![
            Edit::Title {
                from: "Say hello".to_owned(),
                to: "Say ``` @octocat".to_owned(),
                by: Some("mallory".to_owned()),
            },
            Edit::Body {
                by: None,
                diff: Some("closes #1".to_owned()),
            },
        ]);
        insta::assert_snapshot!(not_started(&refusal, "whim"), @r"
        **No work was started on this issue.**

        The issue was edited after the run was requested, and Whim works only on the text that was requested.

        `mallory` changed the title:

        ````text
        - Say hello
        + Say ``` @octocat
        ````

        An unknown user changed the description. GitHub's record of the change:

        ```text
        closes #1
        ```

        Read the issue again, and then add the label `whim` again.

        <!-- whim:not-started -->
        ");
    }
}
