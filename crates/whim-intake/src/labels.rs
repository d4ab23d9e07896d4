//! The labels of an issue, and the state that they express.

use whim_core::{UserName, WorkItemStatus};

use crate::github::LabelChange;

pub(crate) const PROCESSING: &str = "ai-processing";
pub(crate) const PR_READY: &str = "ai-pr-ready";
/// Failed or cancelled.
pub(crate) const FAILED: &str = "ai-failed";
/// Set and removed by people: the issue is ignored until then.
pub(crate) const NEEDS_INFO: &str = "ai-needs-info";

/// None of them can be the intake label.
pub(crate) const STATE_LABELS: [&str; 4] = [PROCESSING, PR_READY, FAILED, NEEDS_INFO];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelState {
    /// To be submitted or requeued.
    Candidate,
    /// Submitted, and its outcome is not posted.
    Processing,
    /// Its outcome is posted.
    Finished,
    /// Without the intake label, or waiting for a person.
    Ignored,
}

/// Ignores case, as GitHub does.
pub(crate) fn has(labels: &[String], label: &str) -> bool {
    let label = label.to_lowercase();
    labels.iter().any(|present| present.to_lowercase() == label)
}

pub(crate) fn label_state(labels: &[String], intake_label: &str) -> LabelState {
    if has(labels, PROCESSING) {
        LabelState::Processing
    } else if !has(labels, intake_label) {
        LabelState::Ignored
    } else if has(labels, PR_READY) || has(labels, FAILED) {
        LabelState::Finished
    } else if has(labels, NEEDS_INFO) {
        LabelState::Ignored
    } else {
        LabelState::Candidate
    }
}

/// The user who last requested a run: by adding the intake label, or by removing an outcome label. `None` if there is no
/// such change, or GitHub does not know its author any more.
pub(crate) fn requested_by<'a>(changes: &'a [LabelChange], intake_label: &str) -> Option<&'a UserName> {
    let is_one_of = |change: &LabelChange, labels: &[&str]| {
        labels
            .iter()
            .any(|label| change.label.to_lowercase() == label.to_lowercase())
    };
    let is_request = |change: &&LabelChange| {
        if change.added {
            is_one_of(change, &[intake_label])
        } else {
            is_one_of(change, &[PR_READY, FAILED])
        }
    };
    changes.iter().rfind(is_request)?.by.as_ref()
}

/// The changes that make an issue's labels match the status of its item.
///
/// The label is added before others are removed: an issue without a state label would be a candidate. [`PROCESSING`] is
/// removed last, so that the next poll finds an issue whose update was interrupted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LabelUpdate {
    pub(crate) add: Option<&'static str>,
    pub(crate) remove: Vec<&'static str>,
}

impl LabelUpdate {
    pub(crate) fn for_status(status: WorkItemStatus, labels: &[String]) -> Self {
        let wanted = match status {
            WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => PROCESSING,
            WorkItemStatus::Completed => PR_READY,
            WorkItemStatus::Failed | WorkItemStatus::Cancelled => FAILED,
        };
        Self {
            add: (!has(labels, wanted)).then_some(wanted),
            remove: [PR_READY, FAILED, PROCESSING]
                .into_iter()
                .filter(|&label| label != wanted && has(labels, label))
                .collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.add.is_none() && self.remove.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(labels: &[&str]) -> Vec<String> {
        labels.iter().map(|label| (*label).to_owned()).collect()
    }

    #[test]
    fn labels_determine_the_state_of_an_issue() {
        for (labels, expected) in [
            (&["whim"][..], LabelState::Candidate),
            (&["bug", "Whim", "priority:high"], LabelState::Candidate),
            (&["bug"], LabelState::Ignored),
            (&["ai-failed"], LabelState::Ignored),
            (&["whim", "ai-needs-info"], LabelState::Ignored),
            (&["whim", "ai-pr-ready"], LabelState::Finished),
            (&["whim", "AI-Failed"], LabelState::Finished),
            (&["whim", "ai-failed", "ai-needs-info"], LabelState::Finished),
            (&["ai-processing"], LabelState::Processing),
            (&["whim", "ai-processing", "ai-failed"], LabelState::Processing),
        ] {
            assert_eq!(label_state(&owned(labels), "whim"), expected, "{labels:?}");
        }
        assert_eq!(label_state(&owned(&["ÜBER"]), "über"), LabelState::Candidate);
    }

    #[test]
    fn a_run_is_requested_by_adding_the_intake_label_or_removing_an_outcome_label() {
        let change = |added, label: &str, by: &str| LabelChange {
            label: label.to_owned(),
            added,
            by: UserName::parse(by).ok(),
        };
        let mut changes = vec![change(true, "bug", "eve"), change(true, "Whim", "ana")];
        let asked = |changes: &[LabelChange]| requested_by(changes, "whim").map(ToString::to_string);
        assert_eq!(asked(&changes).as_deref(), Some("ana"));
        changes.extend([
            change(true, PROCESSING, "whim-bot"),
            change(true, FAILED, "whim-bot"),
            change(false, PROCESSING, "whim-bot"),
            change(false, "bug", "eve"),
        ]);
        assert_eq!(asked(&changes).as_deref(), Some("ana"));
        changes.push(change(false, FAILED, "bob"));
        assert_eq!(asked(&changes).as_deref(), Some("bob"));
        assert_eq!(asked(&changes[..1]), None);
        changes.push(change(true, "whim", "an account that is gone"));
        assert_eq!(asked(&changes), None);
    }

    #[test]
    fn the_label_of_a_status_is_added_before_others_are_removed() {
        use WorkItemStatus::{Cancelled, Completed, Failed, InProgress};
        for (status, labels, add, remove) in [
            (InProgress, &["whim"][..], Some(PROCESSING), &[][..]),
            (InProgress, &["whim", FAILED], Some(PROCESSING), &[FAILED]),
            (InProgress, &["whim", PROCESSING, FAILED], None, &[FAILED]),
            (InProgress, &["whim", PROCESSING], None, &[]),
            (Completed, &["whim", PROCESSING], Some(PR_READY), &[PROCESSING]),
            (
                Completed,
                &["whim", PROCESSING, FAILED],
                Some(PR_READY),
                &[FAILED, PROCESSING],
            ),
            (Failed, &["whim", PROCESSING], Some(FAILED), &[PROCESSING]),
            (Failed, &["whim", PROCESSING, FAILED], None, &[PROCESSING]),
            (Cancelled, &["whim", FAILED], None, &[]),
        ] {
            let update = LabelUpdate::for_status(status, &owned(labels));
            let expected = LabelUpdate {
                add,
                remove: remove.to_vec(),
            };
            assert_eq!(update, expected, "{status} {labels:?}");
        }
    }
}
