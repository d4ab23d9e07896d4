//! What to do next about an issue: pure decisions over what is there.

use whim_core::protocol::work::WorkItem;

use crate::labels::{self, FAILED, PR_READY, PROCESSING};

/// What to do about an issue, given its item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: it is being worked on, or all is said.
    Nothing,
    /// Label it `ai-processing`: its item is there and lives.
    MarkProcessing,
    /// A person asked for another run after this one.
    Requeue {
        /// The run that has ended and is known on the issue.
        after_run: u32,
    },
    /// Say on the issue how the item ended, where that is missing, and swap the labels.
    Reflect,
    /// The label promises work that nobody does: take it off, so that the issue is picked up again.
    UnmarkProcessing,
}

/// Decides about an open issue without a label of ours, after it was submitted. `reflected` tells whether the issue has
/// our comment for the item's current run.
///
/// A finished item whose end the issue already shows can only be here because a person took the label off: that asks
/// for another run. Without the comment we were killed between submitting and reflecting, and finish that.
pub(crate) fn about_candidate(item: &WorkItem, reflected: bool) -> Action {
    match (item.status.is_terminal(), reflected) {
        (false, _) => Action::MarkProcessing,
        (true, true) => Action::Requeue { after_run: item.run },
        (true, false) => Action::Reflect,
    }
}

/// Decides about an issue that is labelled `ai-processing`, open or closed.
pub(crate) fn about_processing(
    issue_labels: &[String],
    intake_label: &str,
    item: Option<&WorkItem>,
) -> Action {
    match item {
        Some(item) if item.status.is_terminal() => Action::Reflect,
        Some(_) => Action::Nothing,
        // Without our own label it is not ours to touch: another tool may use the same name.
        None if labels::has(issue_labels, intake_label) => Action::UnmarkProcessing,
        None => Action::Nothing,
    }
}

/// The labels to add and to take off so that the issue shows how its item ended, in that order: an issue never is
/// without both between the two, which would make it a candidate.
pub(crate) fn label_swap(issue_labels: &[String], completed: bool) -> LabelSwap {
    let (add, other) = if completed {
        (PR_READY, FAILED)
    } else {
        (FAILED, PR_READY)
    };
    LabelSwap {
        add: Some(add).filter(|label| !labels::has(issue_labels, label)),
        remove: [PROCESSING, other]
            .into_iter()
            .filter(|label| labels::has(issue_labels, label))
            .collect(),
    }
}

/// See [`label_swap`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LabelSwap {
    pub(crate) add: Option<&'static str>,
    pub(crate) remove: Vec<&'static str>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use whim_core::WorkItemStatus;

    use super::*;

    fn item(status: WorkItemStatus, run: u32) -> WorkItem {
        let fields = json!({
            "id": whim_core::WorkItemId::new(), "repo": "octocat/hello", "branch": "whim/1", "status": status,
            "priority": "medium", "source": "github", "sourceRef": "1", "retries": 0, "maxRetries": 3, "leaseEpoch": 1,
            "run": run, "iteration": 0, "tasksTotal": 0, "tasksDone": 0,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(fields).unwrap()
    }

    fn owned(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn a_submitted_issue_is_marked_while_its_item_lives_and_reflected_or_run_again_when_not() {
        for status in WorkItemStatus::ALL {
            for reflected in [false, true] {
                let expected = match (status.is_terminal(), reflected) {
                    (false, _) => Action::MarkProcessing,
                    (true, false) => Action::Reflect,
                    (true, true) => Action::Requeue { after_run: 2 },
                };
                assert_eq!(
                    about_candidate(&item(status, 2), reflected),
                    expected,
                    "{status} {reflected}"
                );
            }
        }
    }

    #[test]
    fn a_marked_issue_waits_for_the_end_of_its_item() {
        let labels = owned(&["whim", "ai-processing"]);
        for status in WorkItemStatus::ALL {
            let expected = if status.is_terminal() {
                Action::Reflect
            } else {
                Action::Nothing
            };
            assert_eq!(
                about_processing(&labels, "whim", Some(&item(status, 1))),
                expected,
                "{status}"
            );
        }
    }

    #[test]
    fn a_mark_without_an_item_is_taken_off_only_where_it_is_ours() {
        assert_eq!(
            about_processing(&owned(&["whim", "ai-processing"]), "whim", None),
            Action::UnmarkProcessing
        );
        assert_eq!(
            about_processing(&owned(&["ai-processing"]), "whim", None),
            Action::Nothing
        );
    }

    #[test]
    fn the_new_label_comes_before_the_old_one_goes_and_nothing_is_done_twice() {
        let swap = label_swap(&owned(&["whim", "ai-processing"]), true);
        assert_eq!(
            swap,
            LabelSwap {
                add: Some("ai-pr-ready"),
                remove: vec!["ai-processing"]
            }
        );
        let crashed_between = label_swap(&owned(&["whim", "ai-processing", "ai-failed"]), false);
        assert_eq!(
            crashed_between,
            LabelSwap {
                add: None,
                remove: vec!["ai-processing"]
            }
        );
        let second_run = label_swap(&owned(&["whim", "ai-processing", "ai-failed"]), true);
        assert_eq!(
            second_run,
            LabelSwap {
                add: Some("ai-pr-ready"),
                remove: vec!["ai-processing", "ai-failed"]
            }
        );
        assert_eq!(
            label_swap(&owned(&["whim", "ai-failed"]), false),
            LabelSwap {
                add: None,
                remove: vec![]
            }
        );
    }
}
