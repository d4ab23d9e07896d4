//! The labels by which Whim and people talk about an issue.

use whim_core::{UserName, WorkItemStatus};

use crate::github::LabelChange;

/// Whim works on the issue.
pub(crate) const PROCESSING: &str = "ai-processing";
/// The pull request is open.
pub(crate) const PR_READY: &str = "ai-pr-ready";
/// Whim gave up, or was told to; the comment says why.
pub(crate) const FAILED: &str = "ai-failed";
/// A person has to say more before Whim looks at the issue again. Set and removed by people.
pub(crate) const NEEDS_INFO: &str = "ai-needs-info";

/// The labels that have a meaning of their own; none of them can be the one that asks for Whim.
pub(crate) const OWN: [&str; 4] = [PROCESSING, PR_READY, FAILED, NEEDS_INFO];

/// What an issue's labels say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It waits to be picked up.
    Candidate,
    /// It was picked up, and its end is not shown.
    Processing,
    /// Its end is shown.
    Finished,
    /// It is none of Whim's business, or waits for a person.
    Apart,
}

/// Labels compare as GitHub compares them: without regard to case.
pub(crate) fn has(labels: &[String], label: &str) -> bool {
    let label = label.to_lowercase();
    labels.iter().any(|present| present.to_lowercase() == label)
}

/// Reads the labels of an issue.
pub(crate) fn standing(labels: &[String], intake_label: &str) -> Standing {
    if has(labels, PROCESSING) {
        Standing::Processing
    } else if !has(labels, intake_label) {
        Standing::Apart
    } else if has(labels, PR_READY) || has(labels, FAILED) {
        Standing::Finished
    } else if has(labels, NEEDS_INFO) {
        Standing::Apart
    } else {
        Standing::Candidate
    }
}

/// Who asked for Whim last: put the label on that asks for it, or took one off that says how the last run ended. `None`
/// where GitHub tells nothing of that.
pub(crate) fn asked_by<'a>(changes: &'a [LabelChange], intake_label: &str) -> Option<&'a UserName> {
    let is_one_of = |change: &LabelChange, labels: &[&str]| {
        labels
            .iter()
            .any(|label| change.label.to_lowercase() == label.to_lowercase())
    };
    let asks = |change: &&LabelChange| {
        if change.added {
            is_one_of(change, &[intake_label])
        } else {
            is_one_of(change, &[PR_READY, FAILED])
        }
    };
    changes.iter().rfind(asks)?.by.as_ref()
}

/// What has to change so that an issue's labels show the state of its item: first one is added, then others go.
///
/// In that order an issue never is without a state of ours in between, which would make it a candidate; and
/// [`PROCESSING`] goes last, so that an issue with a change that was not finished is looked at again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Swap {
    pub(crate) add: Option<&'static str>,
    pub(crate) remove: Vec<&'static str>,
}

impl Swap {
    /// For an item in `status`.
    pub(crate) fn to_show(status: WorkItemStatus, labels: &[String]) -> Self {
        let fitting = match status {
            WorkItemStatus::Generating
            | WorkItemStatus::Queued
            | WorkItemStatus::Assigned
            | WorkItemStatus::InProgress => PROCESSING,
            WorkItemStatus::Completed => PR_READY,
            WorkItemStatus::Failed | WorkItemStatus::Cancelled => FAILED,
        };
        Self {
            add: (!has(labels, fitting)).then_some(fitting),
            remove: [PR_READY, FAILED, PROCESSING]
                .into_iter()
                .filter(|&label| label != fitting && has(labels, label))
                .collect(),
        }
    }

    /// Whether the labels show it already.
    pub(crate) fn is_done(&self) -> bool {
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
    fn labels_say_where_an_issue_stands() {
        for (labels, expected) in [
            (&["whim"][..], Standing::Candidate),
            (&["bug", "Whim", "priority:high"], Standing::Candidate),
            (&["bug"], Standing::Apart),
            (&["ai-failed"], Standing::Apart),
            (&["whim", "ai-needs-info"], Standing::Apart),
            (&["whim", "ai-pr-ready"], Standing::Finished),
            (&["whim", "AI-Failed"], Standing::Finished),
            (&["whim", "ai-failed", "ai-needs-info"], Standing::Finished),
            (&["ai-processing"], Standing::Processing),
            (&["whim", "ai-processing", "ai-failed"], Standing::Processing),
        ] {
            assert_eq!(standing(&owned(labels), "whim"), expected, "{labels:?}");
        }
        assert_eq!(standing(&owned(&["ÜBER"]), "über"), Standing::Candidate);
    }

    #[test]
    fn who_put_the_label_on_last_asked_or_who_took_the_end_of_the_last_run_off() {
        let change = |added, label: &str, by: &str| LabelChange {
            label: label.to_owned(),
            added,
            by: UserName::parse(by).ok(),
        };
        let mut changes = vec![change(true, "bug", "eve"), change(true, "Whim", "ana")];
        let asked = |changes: &[LabelChange]| asked_by(changes, "whim").map(ToString::to_string);
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
    fn the_label_of_a_state_is_added_before_the_others_go() {
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
            let swap = Swap::to_show(status, &owned(labels));
            let expected = Swap {
                add,
                remove: remove.to_vec(),
            };
            assert_eq!(swap, expected, "{status} {labels:?}");
        }
    }
}
