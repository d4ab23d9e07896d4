//! The next action for an issue: a pure function of its labels, its comments and its item.

use whim_core::protocol::work::WorkItem;

use crate::labels::{self, LabelState, LabelUpdate};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Its outcome is posted, or it is not Whim's.
    Nothing,
    /// Its item is live: keep labels, priority and comment up to date, and stop it if a person wants that.
    Follow,
    /// A person requested a first run.
    Submit,
    /// A person requested another run.
    Requeue {
        /// The run that has ended and whose outcome is posted.
        after_run: u32,
    },
    /// Post the outcome, if that was not done, and set the labels.
    Reflect,
    /// Remove `ai-processing`, because there is no item: the issue becomes a candidate again.
    UnmarkProcessing,
}

/// `reflected`: the issue has the intake's comment for the item's current run.
///
/// A candidate whose item has ended and has its comment lost its outcome label to a person, who thereby requests another
/// run; without the comment, the intake was killed between submitting and reflecting. Whether a request counts is decided
/// afterwards. A finished issue needs an action when its item was requeued elsewhere, for example with the dashboard.
pub(crate) fn next_action(
    state: LabelState,
    issue_labels: &[String],
    intake_label: &str,
    item: Option<&WorkItem>,
    reflected: bool,
) -> Action {
    let Some(item) = item else {
        return match state {
            LabelState::Candidate | LabelState::Refused => Action::Submit,
            // Without the intake label, another tool may have set `ai-processing`.
            LabelState::Processing if labels::has(issue_labels, intake_label) => Action::UnmarkProcessing,
            LabelState::Processing | LabelState::Finished | LabelState::Ignored => Action::Nothing,
        };
    };
    let labelled = LabelUpdate::for_status(item.status, issue_labels, intake_label).is_empty();
    match (state, item.status.is_terminal()) {
        (LabelState::Ignored, _) => Action::Nothing,
        (_, false) => Action::Follow,
        (LabelState::Candidate | LabelState::Refused, true) if reflected => {
            Action::Requeue { after_run: item.run }
        }
        (LabelState::Finished, true) if !depends_on_comments(state, item) || (reflected && labelled) => {
            Action::Nothing
        }
        (
            LabelState::Candidate | LabelState::Refused | LabelState::Processing | LabelState::Finished,
            true,
        ) => Action::Reflect,
    }
}

/// Whether [`next_action`] reads `reflected`. It does not for the end of a first run: the outcome label is set after the
/// comment, so the label proves the comment.
pub(crate) fn depends_on_comments(state: LabelState, item: &WorkItem) -> bool {
    item.status.is_terminal() && (state != LabelState::Finished || item.run > 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use whim_core::WorkItemStatus;

    use super::*;
    use crate::labels::{FAILED, PR_READY, PROCESSING, REFUSED};

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
        next_action(
            labels::label_state(&labels, "whim"),
            &labels,
            "whim",
            item,
            reflected,
        )
    }

    #[test]
    fn a_candidate_is_marked_while_its_item_is_live_and_reflected_or_requeued_afterwards() {
        for status in WorkItemStatus::ALL {
            for (run, reflected) in [(1, false), (1, true), (2, false), (2, true)] {
                let expected = match (status.is_terminal(), reflected) {
                    (false, _) => Action::Follow,
                    (true, false) => Action::Reflect,
                    (true, true) => Action::Requeue { after_run: run },
                };
                let decided = decide(&["whim"], Some(&item(status, run)), reflected);
                assert_eq!(decided, expected, "{status}, run {run}, reflected: {reflected}");
            }
        }
    }

    #[test]
    fn a_marked_issue_is_reflected_when_its_item_ends() {
        for status in WorkItemStatus::ALL {
            for (run, reflected) in [(1, false), (1, true), (2, false), (2, true)] {
                let item = item(status, run);
                let (marked, interrupted_update) = if status.is_terminal() {
                    (Action::Reflect, Action::Reflect)
                } else {
                    (Action::Follow, Action::Follow)
                };
                let what = format!("{status}, run {run}, reflected: {reflected}");
                assert_eq!(
                    decide(&["whim", PROCESSING], Some(&item), reflected),
                    marked,
                    "{what}"
                );
                // Without the intake label too: a started run is finished.
                assert_eq!(decide(&[PROCESSING], Some(&item), reflected), marked, "{what}");
                assert_eq!(
                    decide(&["whim", PROCESSING, FAILED], Some(&item), reflected),
                    interrupted_update,
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
                        (false, _, _) => Action::Follow,
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
    fn without_an_item_only_the_label_of_the_intake_itself_is_removed() {
        assert_eq!(
            decide(&["whim", PROCESSING], None, false),
            Action::UnmarkProcessing
        );
        for labels in [&["whim"][..], &["whim", REFUSED]] {
            assert_eq!(decide(labels, None, false), Action::Submit, "{labels:?}");
        }
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
    fn an_issue_that_needs_information_is_ignored() {
        for status in WorkItemStatus::ALL {
            let decided = decide(&["whim", "ai-needs-info"], Some(&item(status, 2)), true);
            assert_eq!(decided, Action::Nothing, "{status}");
        }
    }
}
