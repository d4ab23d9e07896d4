//! What to do next about an issue: a pure decision over what is there.

use whim_core::protocol::work::WorkItem;

use crate::labels::{self, Standing, Swap};

/// What to do about an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: it is being worked on, or all is said.
    Nothing,
    /// Let the labels say that its item lives.
    MarkProcessing,
    /// A person asked for another run after this one.
    Requeue {
        /// The run that has ended and is known on the issue.
        after_run: u32,
    },
    /// Say on the issue how the item ended, where that is missing, and let the labels say it.
    Reflect,
    /// The label promises work that nobody does: take it off, so that the issue is picked up again.
    UnmarkProcessing,
}

/// Decides about an issue. `reflected` tells whether it has our comment for the item's current run.
///
/// A candidate without an item is submitted before it is decided about. When its item has finished and the issue shows
/// that, the label was taken off by a person, who thereby asks for another run; without the comment we were killed
/// between submitting and reflecting, and finish that. A finished issue needs us again when its item was requeued
/// elsewhere, with the dashboard for example.
pub(crate) fn next(
    standing: Standing,
    issue_labels: &[String],
    intake_label: &str,
    item: Option<&WorkItem>,
    reflected: bool,
) -> Action {
    let Some(item) = item else {
        // Without the label that asks for Whim it is not ours to touch: another tool may use the same names.
        let promised = standing == Standing::Processing && labels::has(issue_labels, intake_label);
        return if promised {
            Action::UnmarkProcessing
        } else {
            Action::Nothing
        };
    };
    let labelled = Swap::to_show(item.status, issue_labels).is_done();
    match (standing, item.status.is_terminal()) {
        (Standing::Apart, _) => Action::Nothing,
        (_, false) if labelled => Action::Nothing,
        (_, false) => Action::MarkProcessing,
        (Standing::Candidate, true) if reflected => Action::Requeue { after_run: item.run },
        (Standing::Finished, true) if !depends_on_comments(standing, item) || (reflected && labelled) => {
            Action::Nothing
        }
        (Standing::Candidate | Standing::Processing | Standing::Finished, true) => Action::Reflect,
    }
}

/// Whether the decision depends on the issue's comments. A first run's end is shown by the label alone: only our own
/// label makes an issue finished, and the comment comes before it.
pub(crate) fn depends_on_comments(standing: Standing, item: &WorkItem) -> bool {
    item.status.is_terminal() && (standing != Standing::Finished || item.run > 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use whim_core::WorkItemStatus;

    use super::*;
    use crate::labels::{FAILED, PR_READY, PROCESSING};

    fn item(status: WorkItemStatus, run: u32) -> WorkItem {
        let fields = json!({
            "id": whim_core::WorkItemId::new(), "repo": "octocat/hello", "branch": "whim/1", "status": status,
            "priority": "medium", "source": "github", "sourceRef": "1", "retries": 0, "maxRetries": 3, "leaseEpoch": 1,
            "run": run, "iteration": 0, "tasksTotal": 0, "tasksDone": 0,
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(fields).unwrap()
    }

    fn decide(labels: &[&str], item: Option<&WorkItem>, reflected: bool) -> Action {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        next(
            labels::standing(&labels, "whim"),
            &labels,
            "whim",
            item,
            reflected,
        )
    }

    #[test]
    fn a_candidate_is_marked_while_its_item_lives_and_reflected_or_run_again_when_not() {
        for status in WorkItemStatus::ALL {
            for (run, reflected) in [(1, false), (1, true), (2, false), (2, true)] {
                let expected = match (status.is_terminal(), reflected) {
                    (false, _) => Action::MarkProcessing,
                    (true, false) => Action::Reflect,
                    (true, true) => Action::Requeue { after_run: run },
                };
                let decided = decide(&["whim"], Some(&item(status, run)), reflected);
                assert_eq!(decided, expected, "{status}, run {run}, reflected: {reflected}");
            }
        }
    }

    #[test]
    fn a_marked_issue_waits_for_the_end_of_its_item() {
        for status in WorkItemStatus::ALL {
            for (run, reflected) in [(1, false), (1, true), (2, false), (2, true)] {
                let item = item(status, run);
                let (marked, swap_was_cut) = if status.is_terminal() {
                    (Action::Reflect, Action::Reflect)
                } else {
                    (Action::Nothing, Action::MarkProcessing)
                };
                let what = format!("{status}, run {run}, reflected: {reflected}");
                assert_eq!(
                    decide(&["whim", PROCESSING], Some(&item), reflected),
                    marked,
                    "{what}"
                );
                // The label that asks for Whim may be gone: what was begun is brought to its end.
                assert_eq!(decide(&[PROCESSING], Some(&item), reflected), marked, "{what}");
                assert_eq!(
                    decide(&["whim", PROCESSING, FAILED], Some(&item), reflected),
                    swap_was_cut,
                    "{what}"
                );
            }
        }
    }

    #[test]
    fn a_finished_issue_follows_an_item_that_was_requeued_elsewhere() {
        for status in WorkItemStatus::ALL {
            for label in [FAILED, PR_READY] {
                let fits = (status == WorkItemStatus::Completed) == (label == PR_READY);
                for (run, reflected) in [(1, false), (1, true), (2, false), (2, true)] {
                    let expected = match (status.is_terminal(), run, reflected) {
                        (false, _, _) => Action::MarkProcessing,
                        (true, 1, _) => Action::Nothing,
                        (true, _, true) if fits => Action::Nothing,
                        (true, _, _) => Action::Reflect,
                    };
                    let decided = decide(&["whim", label], Some(&item(status, run)), reflected);
                    assert_eq!(
                        decided, expected,
                        "{label}, {status}, run {run}, reflected: {reflected}"
                    );
                }
            }
        }
    }

    #[test]
    fn without_an_item_only_our_own_promise_is_taken_back() {
        assert_eq!(
            decide(&["whim", PROCESSING], None, false),
            Action::UnmarkProcessing
        );
        for labels in [
            &[PROCESSING][..],
            &["whim", FAILED],
            &["whim", PR_READY],
            &["bug"],
        ] {
            assert_eq!(decide(labels, None, false), Action::Nothing, "{labels:?}");
        }
    }

    #[test]
    fn an_issue_that_waits_for_a_person_is_left_alone() {
        for status in WorkItemStatus::ALL {
            let decided = decide(&["whim", "ai-needs-info"], Some(&item(status, 2)), true);
            assert_eq!(decided, Action::Nothing, "{status}");
        }
    }
}
