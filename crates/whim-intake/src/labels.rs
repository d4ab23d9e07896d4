//! The labels of an issue, and the state that they express.

use whim_core::WorkItemStatus;

pub(crate) const PROCESSING: &str = "ai-processing";
pub(crate) const PR_READY: &str = "ai-pr-ready";
/// Failed or cancelled.
pub(crate) const FAILED: &str = "ai-failed";
/// Set and removed by people: the issue is ignored until then.
pub(crate) const NEEDS_INFO: &str = "ai-needs-info";
/// The person who requested the run may not.
pub(crate) const REFUSED: &str = "ai-refused";

/// None of them can be the intake label.
pub(crate) const STATE_LABELS: [&str; 5] = [PROCESSING, PR_READY, FAILED, NEEDS_INFO, REFUSED];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelState {
    /// To be submitted or requeued.
    Candidate,
    /// Submitted, and its outcome is not posted.
    Processing,
    /// Its outcome is posted.
    Finished,
    /// Its run was refused. Another request may be allowed.
    Refused,
    /// Without the intake label, or waiting for a person.
    Ignored,
}

/// Ignores case, as GitHub does.
pub(crate) fn is_label(label: &str, other: &str) -> bool {
    label.to_lowercase() == other.to_lowercase()
}

pub(crate) fn has(labels: &[String], label: &str) -> bool {
    labels.iter().any(|present| is_label(present, label))
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
    } else if has(labels, REFUSED) {
        LabelState::Refused
    } else {
        LabelState::Candidate
    }
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
    /// A cancelled item leaves no label on an issue that waits for a person's label anyway.
    pub(crate) fn for_status(status: WorkItemStatus, labels: &[String], intake_label: &str) -> Self {
        let wanted = match status {
            WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => Some(PROCESSING),
            WorkItemStatus::Completed => Some(PR_READY),
            WorkItemStatus::Cancelled if !has(labels, intake_label) || has(labels, NEEDS_INFO) => None,
            WorkItemStatus::Failed | WorkItemStatus::Cancelled => Some(FAILED),
        };
        Self {
            add: wanted.filter(|wanted| !has(labels, wanted)),
            remove: [PR_READY, FAILED, REFUSED, PROCESSING]
                .into_iter()
                .filter(|&label| Some(label) != wanted && has(labels, label))
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
            (&["whim", "AI-refused"], LabelState::Refused),
            (&["ai-refused"], LabelState::Ignored),
            (&["whim", "ai-failed", "ai-refused"], LabelState::Finished),
        ] {
            assert_eq!(label_state(&owned(labels), "whim"), expected, "{labels:?}");
        }
        assert_eq!(label_state(&owned(&["ÜBER"]), "über"), LabelState::Candidate);
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
            (Cancelled, &["whim", PROCESSING], Some(FAILED), &[PROCESSING]),
            (Cancelled, &[PROCESSING], None, &[PROCESSING]),
            (Cancelled, &["whim", PROCESSING, NEEDS_INFO], None, &[PROCESSING]),
            (InProgress, &["whim", REFUSED], Some(PROCESSING), &[REFUSED]),
        ] {
            let update = LabelUpdate::for_status(status, &owned(labels), "whim");
            let expected = LabelUpdate {
                add,
                remove: remove.to_vec(),
            };
            assert_eq!(update, expected, "{status} {labels:?}");
        }
    }
}
