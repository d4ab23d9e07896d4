//! The calls of GitHub's API that the intake needs.
//!
//! Reads are conditional, so that an idle poll does not count against the rate limit, and follow pages. Writes are sent
//! once: after a lost response, the next poll sees whether they took effect.

mod comments;
mod edits;
mod error;
mod events;
mod issues;
mod lists;
mod outcomes;
mod pages;
mod people;
mod rate_limit;
mod repositories;
mod transport;
mod write_pace;

use serde::Deserialize;
use whim_core::UserName;

#[cfg(test)]
pub(crate) use self::comments::comment_for_tests;
pub(crate) use self::comments::{Comment, Reaction};
pub(crate) use self::edits::BodyEdit;
pub(crate) use self::error::GitHubError;
pub(crate) use self::events::{EventKind, IssueEvent};
pub(crate) use self::issues::{Issue, IssueState};
pub(crate) use self::repositories::{RepositoryReport, WritePermission};
pub(crate) use self::transport::GitHub;

/// An account, which keeps its id when its name changes hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: u64,
    pub(crate) login: String,
    /// An app.
    pub(crate) is_bot: bool,
}

impl Account {
    pub(crate) fn name(&self) -> Option<UserName> {
        UserName::parse(&self.login).ok()
    }
}

#[derive(Deserialize)]
struct AccountBody {
    id: u64,
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

impl From<AccountBody> for Account {
    fn from(body: AccountBody) -> Self {
        Self {
            id: body.id,
            // Whatever GitHub says of it, an app's login ends like this.
            is_bot: body.kind == "Bot" || body.login.ends_with("[bot]"),
            login: body.login,
        }
    }
}
