//! The labels by which Whim and people talk about an issue.

/// Whim works on the issue.
pub(crate) const PROCESSING: &str = "ai-processing";
/// The pull request is open.
pub(crate) const PR_READY: &str = "ai-pr-ready";
/// Whim gave up, or was told to; the comment says why.
pub(crate) const FAILED: &str = "ai-failed";
/// A person has to say more before Whim looks at the issue again. Set and removed by people.
pub(crate) const NEEDS_INFO: &str = "ai-needs-info";

/// With any of these an issue is not picked up.
const TAKEN: [&str; 4] = [PROCESSING, PR_READY, FAILED, NEEDS_INFO];

/// Labels compare as GitHub compares them: without regard to case.
pub(crate) fn has(labels: &[String], label: &str) -> bool {
    labels.iter().any(|present| present.eq_ignore_ascii_case(label))
}

/// Whether an open issue with these labels waits to be picked up.
pub(crate) fn is_candidate(labels: &[String], intake_label: &str) -> bool {
    has(labels, intake_label) && !TAKEN.iter().any(|label| has(labels, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(labels: &[&str]) -> bool {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        is_candidate(&labels, "whim")
    }

    #[test]
    fn only_an_issue_with_the_label_and_without_a_state_of_ours_is_a_candidate() {
        assert!(candidate(&["whim"]));
        assert!(candidate(&["bug", "Whim", "priority:high"]));
        assert!(!candidate(&["bug"]));
        for taken in TAKEN {
            assert!(!candidate(&["whim", taken]), "{taken}");
        }
    }
}
