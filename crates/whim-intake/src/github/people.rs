//! Accounts, teams, and what they may do.

use serde::Deserialize;
use whim_core::RepoName;

use super::pages::PER_PAGE;
use super::{Account, AccountBody, GitHub, GitHubError};

/// An account's permission in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    /// Who has the login now.
    pub(crate) account: Option<Account>,
    /// Write, maintain or admin.
    pub(crate) may_write: bool,
}

#[derive(Deserialize)]
struct PermissionBody {
    /// `admin`, `write` (also for `maintain`), `read` (also for `triage`) or `none`.
    permission: String,
    user: Option<AccountBody>,
}

impl GitHub {
    /// The account that the token belongs to.
    pub(crate) async fn own_account(&self) -> Result<Account, GitHubError> {
        let body: AccountBody = self.get("reading the token's account", &["user"]).await?;
        Ok(body.into())
    }

    /// `None` if there is no such account.
    pub(crate) async fn account(&self, login: &str) -> Result<Option<Account>, GitHubError> {
        match self
            .get::<AccountBody>("reading an account", &["users", login])
            .await
        {
            Ok(body) => Ok(Some(body.into())),
            Err(GitHubError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `None` if there is no such team, or the token may not read it.
    pub(crate) async fn team_members(
        &self,
        organization: &str,
        team: &str,
    ) -> Result<Option<Vec<Account>>, GitHubError> {
        let path = ["orgs", organization, "teams", team, "members"];
        let members: Result<Vec<AccountBody>, _> = self
            .get_all("listing a team", &path, &[("per_page", PER_PAGE)])
            .await;
        match members {
            Ok(members) => Ok(Some(members.into_iter().map(Account::from).collect())),
            Err(GitHubError::NotFound { .. } | GitHubError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn permission(&self, repo: &RepoName, login: &str) -> Result<Permission, GitHubError> {
        let path = [
            "repos",
            repo.owner(),
            repo.name(),
            "collaborators",
            login,
            "permission",
        ];
        match self
            .get::<PermissionBody>("reading the permission of an account", &path)
            .await
        {
            Ok(body) => Ok(Permission {
                account: body.user.map(Account::from),
                may_write: matches!(body.permission.as_str(), "admin" | "write"),
            }),
            Err(GitHubError::NotFound { .. }) => Ok(Permission {
                account: None,
                may_write: false,
            }),
            Err(error) => Err(error),
        }
    }
}
