//! What the intake found out about its credentials.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::RepoName;

/// Repositories of one report at most.
pub const MAX_REPOSITORIES: usize = 1000;
/// Limit on a problem or a name of a report, in characters.
pub const MAX_PROBLEM_CHARACTERS: usize = 1000;

/// `PUT /api/intake/access`: what the intake may do with its credentials. A later report replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IntakeAccess {
    pub token: TokenAccess,
    /// `REPOS`, at most 1000. Empty if the token is not accepted.
    #[cfg_attr(feature = "openapi", schema(max_items = 1000))]
    pub repositories: Vec<RepositoryAccess>,
    pub spec_model: ModelAccess,
}

/// `GITHUB_TOKEN` of the intake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenAccess {
    /// Whose it is; `null` if GitHub did not accept it or did not answer.
    pub account: Option<TokenAccount>,
    /// `null` if it does not expire, or GitHub does not say.
    pub expires_at: Option<DateTime<Utc>>,
    /// Scopes of a classic token, at most 100. `null` for other tokens: GitHub does not list their permissions.
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub scopes: Option<Vec<String>>,
    /// What is wrong, and what to do; at most 1000 characters.
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub problem: Option<String>,
}

impl TokenAccess {
    /// Days before the expiry from which people are warned.
    const WARNING_DAYS: i64 = 14;

    /// The expiry, if the token expires so soon that another one should be created.
    pub fn expires_soon(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.expires_at
            .filter(|at| *at <= now + TimeDelta::days(Self::WARNING_DAYS))
    }
}

/// An account of GitHub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenAccount {
    /// Stays the same when the account is renamed.
    pub id: u64,
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub login: String,
}

/// What the token may do in a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryAccess {
    pub repo: RepoName,
    /// Push to branches.
    pub contents: PermissionOutcome,
    /// Labels and comments.
    pub issues: PermissionOutcome,
    /// Open and edit pull requests.
    pub pull_requests: PermissionOutcome,
    /// What is wrong, and what to do; at most 20, each of at most 1000 characters.
    #[cfg_attr(feature = "openapi", schema(max_items = 20))]
    pub problems: Vec<String>,
}

/// Whether a permission to write was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PermissionOutcome {
    Granted,
    Missing,
    /// It could not be examined.
    Unknown,
}

/// The model that writes specs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelAccess {
    /// `SPEC_MODEL`, at most 1000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 1000))]
    pub model: String,
    /// What is wrong, and what to do; at most 1000 characters.
    #[cfg_attr(feature = "openapi", schema(max_length = 1000))]
    pub problem: Option<String>,
}

/// The latest report of the intake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedIntakeAccess {
    pub reported_at: DateTime<Utc>,
    pub access: IntakeAccess,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_warned_two_weeks_before_a_token_expires() {
        let now = DateTime::UNIX_EPOCH;
        for (days, is_soon) in [
            (None, false),
            (Some(15), false),
            (Some(14), true),
            (Some(-1), true),
        ] {
            let token = TokenAccess {
                account: None,
                expires_at: days.map(|days| now + TimeDelta::days(days)),
                scopes: None,
                problem: None,
            };
            assert_eq!(token.expires_soon(now).is_some(), is_soon, "{days:?}");
        }
    }
}
