//! What happened to an issue.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use whim_core::{IssueNumber, RepoName};

use super::pages::PER_PAGE;
use super::{Account, AccountBody, GitHub, GitHubError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssueEvent {
    pub(crate) id: u64,
    pub(crate) kind: EventKind,
    /// `None` if the account was deleted.
    pub(crate) by: Option<Account>,
    /// In whole seconds.
    pub(crate) at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventKind {
    Labeled(String),
    Unlabeled(String),
    Renamed {
        from: String,
        to: String,
    },
    Closed,
    /// Of no meaning for the intake, except for its time.
    Other,
}

#[derive(Deserialize)]
struct EventBody {
    id: u64,
    event: String,
    actor: Option<AccountBody>,
    created_at: DateTime<Utc>,
    label: Option<LabelBody>,
    rename: Option<RenameBody>,
}

#[derive(Deserialize)]
struct LabelBody {
    name: String,
}

#[derive(Deserialize)]
struct RenameBody {
    from: String,
    to: String,
}

impl GitHub {
    /// The events of an issue, oldest first.
    pub(crate) async fn events(
        &self,
        repo: &RepoName,
        issue: IssueNumber,
    ) -> Result<Vec<IssueEvent>, GitHubError> {
        let number = issue.to_string();
        let path = ["repos", repo.owner(), repo.name(), "issues", &number, "events"];
        let bodies: Vec<EventBody> = self
            .get_all("listing events", &path, &[("per_page", PER_PAGE)])
            .await?;
        let mut events: Vec<IssueEvent> = bodies.into_iter().map(IssueEvent::from).collect();
        events.sort_by_key(|event| (event.at, event.id));
        Ok(events)
    }
}

impl From<EventBody> for IssueEvent {
    fn from(body: EventBody) -> Self {
        let kind = match (body.event.as_str(), body.label, body.rename) {
            ("labeled", Some(label), _) => EventKind::Labeled(label.name),
            ("unlabeled", Some(label), _) => EventKind::Unlabeled(label.name),
            ("renamed", _, Some(RenameBody { from, to })) => EventKind::Renamed { from, to },
            ("closed", _, _) => EventKind::Closed,
            _ => EventKind::Other,
        };
        Self {
            id: body.id,
            kind,
            by: body.actor.map(Account::from),
            at: body.created_at,
        }
    }
}
