//! Requests on an issue: for a run, and for its end.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use whim_core::protocol::work::Approval;

use crate::github::{Account, EventKind, Issue, IssueEvent};
use crate::labels::{FAILED, NEEDS_INFO, PR_READY, REFUSED, STATE_LABELS, has, is_label};

/// A request for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) at: DateTime<Utc>,
    /// `None` if the account was deleted.
    pub(crate) by: Option<Account>,
}

/// GitHub numbers events and comments independently of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// The event of a label.
    Label(u64),
    Comment(u64),
}

impl RequestId {
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::Label(id) | Self::Comment(id) => id,
        }
    }
}

/// The latest request with a label: the intake label was added, or a label that prevents a run was removed.
///
/// `own_id`: the account of the token, which may be a person's. It removes such a label for the intake only while another
/// label prevents a run, and such a removal is no request.
pub(crate) fn latest_request(events: &[IssueEvent], intake_label: &str, own_id: u64) -> Option<Request> {
    let mut preventing: Vec<&str> = Vec::new();
    let mut latest = None;
    for event in events {
        match &event.kind {
            EventKind::Labeled(label) if is_label(label, intake_label) => latest = Some(event),
            EventKind::Labeled(label) => {
                let known = STATE_LABELS.into_iter().find(|known| is_label(label, known));
                preventing.extend(known);
            }
            EventKind::Unlabeled(label) => {
                preventing.retain(|known| !is_label(label, known));
                let is_own = event.by.as_ref().is_some_and(|by| by.id == own_id);
                let may_request = [PR_READY, FAILED, REFUSED, NEEDS_INFO]
                    .iter()
                    .any(|ending| is_label(label, ending));
                if may_request && (!is_own || preventing.is_empty()) {
                    latest = Some(event);
                }
            }
            EventKind::Renamed { .. } | EventKind::Closed | EventKind::Other => {}
        }
    }
    latest.map(|event| Request {
        id: RequestId::Label(event.id),
        at: event.at,
        by: event.by.clone(),
    })
}

/// Whether a request with a label was made after the one of an earlier run, which was made with a label or a comment.
///
/// In the same second only the numbers decide, which events and comments do not share.
pub(crate) fn is_later(request: &Request, previous: &Approval, events: &[IssueEvent]) -> bool {
    let was_labelled = || {
        events
            .iter()
            .any(|event| event.id == previous.event_id && event.at == previous.approved_at)
    };
    match request.at.cmp(&previous.approved_at) {
        Ordering::Less => false,
        Ordering::Equal => request.id.number() > previous.event_id && was_labelled(),
        Ordering::Greater => true,
    }
}

/// A request to stop the run of an issue. Each user who may change labels or close the issue may stop its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    /// `None` if it is not known.
    pub(crate) by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    Closed,
    /// The intake label was removed.
    Unlabelled,
    /// A person asks for more information first.
    NeedsInfo,
    /// With a comment.
    Commanded,
}

impl StopReason {
    pub(crate) fn text(self, intake_label: &str) -> String {
        match self {
            Self::Closed => "the issue was closed".to_owned(),
            Self::Unlabelled => format!("the label {intake_label} was removed"),
            Self::Commanded => "stopped with a comment on the issue".to_owned(),
            Self::NeedsInfo => format!("the label {NEEDS_INFO} was added"),
        }
    }
}

/// A missing intake label stops a run only if a user removed it: the setting may have changed.
pub(crate) fn stop_request(issue: &Issue, events: &[IssueEvent], intake_label: &str) -> Option<Stop> {
    let latest = |matches: &dyn Fn(&EventKind) -> bool| events.iter().rfind(|event| matches(&event.kind));
    let by = |event: Option<&IssueEvent>| Some(event?.by.as_ref()?.login.clone());
    if !issue.is_open {
        return Some(Stop {
            reason: StopReason::Closed,
            by: by(latest(&|kind| *kind == EventKind::Closed)),
        });
    }
    if !has(&issue.labels, intake_label) {
        let change = latest(&|kind| match kind {
            EventKind::Labeled(label) | EventKind::Unlabeled(label) => is_label(label, intake_label),
            EventKind::Renamed { .. } | EventKind::Closed | EventKind::Other => false,
        })?;
        return matches!(change.kind, EventKind::Unlabeled(_)).then(|| Stop {
            reason: StopReason::Unlabelled,
            by: by(Some(change)),
        });
    }
    if has(&issue.labels, NEEDS_INFO) {
        let added = latest(&|kind| matches!(kind, EventKind::Labeled(label) if is_label(label, NEEDS_INFO)));
        return Some(Stop {
            reason: StopReason::NeedsInfo,
            by: by(added),
        });
    }
    None
}

/// Whether [`stop_request`] needs the events.
pub(crate) fn may_be_stopped(issue: &Issue, intake_label: &str) -> bool {
    !issue.is_open || !has(&issue.labels, intake_label) || has(&issue.labels, NEEDS_INFO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::PROCESSING;

    const OWN: u64 = 99;

    fn event(id: u64, kind: EventKind, by: &str) -> IssueEvent {
        IssueEvent {
            id,
            kind,
            by: Some(Account {
                id: by.len() as u64,
                login: by.to_owned(),
                is_bot: false,
            }),
            at: DateTime::from_timestamp(i64::try_from(id).unwrap(), 0).unwrap(),
        }
    }

    fn added(label: &str) -> EventKind {
        EventKind::Labeled(label.to_owned())
    }

    fn removed(label: &str) -> EventKind {
        EventKind::Unlabeled(label.to_owned())
    }

    #[test]
    fn a_run_is_requested_by_adding_the_intake_label_or_removing_a_label_that_prevents_one() {
        let mut events = Vec::new();
        let asked =
            |events: &[IssueEvent]| latest_request(events, "whim", OWN).map(|request| request.id.number());
        for (kind, expected) in [
            (added("bug"), None),
            (added("Whim"), Some(2)),
            (added(PROCESSING), Some(2)),
            (added(FAILED), Some(2)),
            (removed(PROCESSING), Some(2)),
            (removed("bug"), Some(2)),
            (removed(FAILED), Some(7)),
            (removed("whim"), Some(7)),
            (removed(REFUSED), Some(9)),
            (removed(NEEDS_INFO), Some(10)),
            (removed(PR_READY), Some(11)),
            (EventKind::Closed, Some(11)),
        ] {
            let id = events.len() as u64 + 1;
            events.push(event(id, kind.clone(), "ana"));
            assert_eq!(asked(&events), expected, "{kind:?}");
        }
    }

    #[test]
    fn labels_that_the_intake_removes_are_no_request() {
        const WHIM: &str = "whim-bot";
        let events = [
            event(1, added("whim"), "ana"),
            event(2, added(PROCESSING), WHIM),
            event(3, added(FAILED), WHIM),
            event(4, removed(PROCESSING), WHIM),
            // A comment asked for another run.
            event(5, added(PROCESSING), WHIM),
            event(6, removed(FAILED), WHIM),
            event(7, added(PR_READY), WHIM),
            event(8, removed(PROCESSING), WHIM),
        ];
        let own = events[1].by.as_ref().map_or(0, |by| by.id);
        let asked =
            |events: &[IssueEvent]| latest_request(events, "whim", own).map(|request| request.id.number());
        assert_eq!(asked(&events), Some(1));
        // A person whose token the intake uses removes the only label.
        let by_hand = [&events[..], &[event(9, removed(PR_READY), WHIM)]].concat();
        assert_eq!(asked(&by_hand), Some(9));
    }

    #[test]
    fn a_later_run_needs_a_later_request() {
        use whim_core::UserName;
        use whim_core::source::TextHash;

        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let label = |id, second| IssueEvent {
            at: at(second),
            ..event(id, added("whim"), "ana")
        };
        let events = [label(5, 50), label(6, 60), label(7, 60), label(8, 70)];
        for (id, second, previous, expected) in [
            // The same event.
            (6, 60, (6, 60), false),
            (7, 60, (6, 60), true),
            (6, 60, (7, 60), false),
            (8, 70, (7, 60), true),
            (7, 60, (8, 70), false),
            // A comment, with a number of its own.
            (7, 60, (1, 60), false),
            (7, 60, (1_000, 50), true),
            (8, 70, (5, 70), false),
            (5, 50, (1, 60), false),
        ] {
            let request = Request {
                id: RequestId::Label(id),
                at: at(second),
                by: None,
            };
            let approval = Approval {
                approved_by: UserName::parse("ana").unwrap(),
                approved_by_id: 3,
                approved_at: at(previous.1),
                event_id: previous.0,
                text_sha256: TextHash::of(""),
            };
            let what = format!("{id} at {second} after {previous:?}");
            assert_eq!(is_later(&request, &approval, &events), expected, "{what}");
        }
    }

    fn issue(is_open: bool, labels: &[&str]) -> Issue {
        Issue {
            number: whim_core::IssueNumber::MIN,
            title: "Say hello".to_owned(),
            body: String::new(),
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            is_open,
            url: String::new(),
            author: None,
            comments: 0,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_run_is_stopped_by_closing_the_issue_and_by_labels() {
        let labelled = event(1, added("whim"), "ana");
        let unlabelled = event(2, removed("Whim"), "bob");
        let closed = event(3, EventKind::Closed, "eve");
        let unclear = event(4, added(NEEDS_INFO), "mia");
        let stop = |reason, by: &str| {
            Some(Stop {
                reason,
                by: Some(by.to_owned()),
            })
        };
        let all = [labelled.clone(), unlabelled.clone(), closed, unclear];
        for (is_open, labels, events, expected) in [
            (true, &["whim"][..], &all[..], None),
            (false, &["whim"], &all[..], stop(StopReason::Closed, "eve")),
            (true, &[], &all[..], stop(StopReason::Unlabelled, "bob")),
            (
                true,
                &["whim", NEEDS_INFO],
                &all[..],
                stop(StopReason::NeedsInfo, "mia"),
            ),
            // Another intake label was set, or the label was renamed.
            (true, &["agent"], &[labelled.clone()][..], None),
            (true, &["agent"], &[unlabelled, labelled][..], None),
            (true, &[], &[][..], None),
        ] {
            let issue = issue(is_open, labels);
            assert_eq!(
                stop_request(&issue, events, "whim"),
                expected,
                "{labels:?} {events:?}"
            );
            assert!(expected.is_none() || may_be_stopped(&issue, "whim"));
        }
    }
}
