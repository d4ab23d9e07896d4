//! Whether the text of an issue is the one that was approved.

use chrono::{DateTime, Utc};

use super::{Request, RequestId};
use crate::github::{BodyEdit, EventKind, Issue, IssueEvent};

/// A change of the text at or after a request. GitHub's times have whole seconds, so one in the same second counts as later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    Title {
        from: String,
        to: String,
        by: Option<String>,
    },
    Body {
        by: Option<String>,
        /// GitHub's record of the change.
        diff: Option<String>,
    },
    /// The issue changed, and nothing that the token may read explains it.
    Unknown { at: DateTime<Utc> },
}

/// `body_edits`: `None` if the token may not read them. Then each change of the issue after the request counts as an edit: its
/// time is that of the latest change, and a later comment would hide an edit before it.
pub(crate) fn edits_since(
    request: &Request,
    issue: &Issue,
    events: &[IssueEvent],
    body_edits: Option<&[BodyEdit]>,
) -> Vec<Edit> {
    let is_later = |event: &&IssueEvent| match request.id {
        RequestId::Label(id) => (event.at, event.id) > (request.at, id),
        RequestId::Comment(_) => event.at >= request.at,
    };
    let mut edits: Vec<Edit> = events
        .iter()
        .filter(is_later)
        .filter_map(|event| match &event.kind {
            EventKind::Renamed { from, to } => Some(Edit::Title {
                from: from.clone(),
                to: to.clone(),
                by: event.by.as_ref().map(|by| by.login.clone()),
            }),
            EventKind::Labeled(_) | EventKind::Unlabeled(_) | EventKind::Closed | EventKind::Other => None,
        })
        .collect();
    match body_edits {
        Some(body_edits) => edits.extend(body_edits.iter().filter(|edit| edit.at >= request.at).map(
            |edit| Edit::Body {
                by: edit.by.clone(),
                diff: edit.diff.clone(),
            },
        )),
        None => {
            if issue.updated_at > request.at {
                edits.push(Edit::Unknown { at: issue.updated_at });
            }
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use whim_core::IssueNumber;

    use super::*;
    use crate::github::Account;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn ana() -> Account {
        Account {
            id: 1,
            login: "ana".to_owned(),
            is_bot: false,
        }
    }

    fn event(id: u64, second: i64, kind: EventKind) -> IssueEvent {
        IssueEvent {
            id,
            kind,
            by: Some(ana()),
            at: at(second),
        }
    }

    fn issue(updated: i64) -> Issue {
        Issue {
            number: IssueNumber::MIN,
            title: "b".to_owned(),
            body: String::new(),
            labels: vec![],
            is_open: true,
            url: String::new(),
            author: None,
            comments: 0,
            updated_at: at(updated),
        }
    }

    const REQUEST_AT: i64 = 100;

    fn request() -> Request {
        Request {
            id: RequestId::Label(10),
            at: at(REQUEST_AT),
            by: Some(ana()),
        }
    }

    #[test]
    fn a_change_of_the_title_counts_if_it_is_after_the_request() {
        let renamed = EventKind::Renamed {
            from: "a".to_owned(),
            to: "b".to_owned(),
        };
        for (id, second, is_edit) in [(9, 99, false), (9, 100, false), (11, 100, true), (11, 101, true)] {
            let events = [event(id, second, renamed.clone())];
            let edits = edits_since(&request(), &issue(200), &events, Some(&[]));
            assert_eq!(!edits.is_empty(), is_edit, "event {id} at {second}");
        }
    }

    #[test]
    fn a_change_of_the_title_in_the_second_of_a_comment_counts_whatever_their_numbers() {
        let renamed = EventKind::Renamed {
            from: "a".to_owned(),
            to: "b".to_owned(),
        };
        let commented = Request {
            id: RequestId::Comment(1_000),
            ..request()
        };
        for (id, second, is_edit) in [(5, 99, false), (5, 100, true), (5, 101, true), (2_000, 99, false)] {
            let events = [event(id, second, renamed.clone())];
            let edits = edits_since(&commented, &issue(200), &events, Some(&[]));
            assert_eq!(!edits.is_empty(), is_edit, "event {id} at {second}");
        }
    }

    #[test]
    fn a_change_of_the_body_counts_from_the_second_of_the_request_on() {
        for (second, is_edit) in [(99, false), (100, true), (101, true)] {
            let edit = BodyEdit {
                at: at(second),
                by: Some("eve".to_owned()),
                diff: Some("now".to_owned()),
            };
            let edits = edits_since(&request(), &issue(200), &[], Some(&[edit]));
            let expected = Edit::Body {
                by: Some("eve".to_owned()),
                diff: Some("now".to_owned()),
            };
            let expected = if is_edit { vec![expected] } else { vec![] };
            assert_eq!(edits, expected, "at {second}");
        }
    }

    #[test]
    fn without_access_to_the_edits_each_later_change_counts() {
        let later = [event(11, 105, EventKind::Labeled("bug".to_owned()))];
        for (updated, events, is_edit) in [
            (100, &[][..], false),
            (101, &[][..], true),
            // The event, or a comment, may be later than an edit.
            (105, &later[..], true),
        ] {
            let edits = edits_since(&request(), &issue(updated), events, None);
            assert_eq!(!edits.is_empty(), is_edit, "updated at {updated}");
        }
    }
}
