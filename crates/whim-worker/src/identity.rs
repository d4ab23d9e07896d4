//! Whose name and email address the agent's commits have.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use whim_core::UserName;
use whim_service::chain::chain;

use crate::outcome::Failure;
use crate::pull_request::{Api, ApiError};
use crate::retry::retry_until_deadline;

/// The author and committer of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub email: String,
}

#[derive(Debug, Deserialize)]
struct User {
    id: u64,
    login: String,
}

impl Identity {
    /// The account that owns the token. `github.com` as `host` gives the address by which GitHub attributes commits to exactly
    /// this account. An address without the id belongs to the current owner of the login.
    fn of(user: &User, host: &str) -> Self {
        Self {
            name: user.login.clone(),
            email: format!("{}+{}@users.noreply.{host}", user.id, user.login),
        }
    }

    /// Belongs to no account.
    fn of_no_account() -> Self {
        Self {
            name: "Whim".to_owned(),
            email: "whim@noreply.invalid".to_owned(),
        }
    }

    /// The account of a person at GitHub; `None` if there is none, or it cannot be found out.
    pub async fn of_person(api: &Api, login: &UserName, host: &str, retry_timeout: Duration) -> Option<Self> {
        // One segment of a path: the names of apps have brackets.
        let login = login.as_str().replace('[', "%5B").replace(']', "%5D");
        let user = retry_until_deadline("asking for the requester", retry_timeout, async || {
            api.get::<User>(&format!("/users/{login}"), &[]).await
        });
        match user.await {
            Ok(user) => Some(Self::of(&user, host)),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the account of the requester cannot be found");
                None
            }
        }
    }

    /// The variables of git.
    pub fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("GIT_AUTHOR_NAME", self.name.as_str()),
            ("GIT_AUTHOR_EMAIL", self.email.as_str()),
            ("GIT_COMMITTER_NAME", self.name.as_str()),
            ("GIT_COMMITTER_EMAIL", self.email.as_str()),
        ]
    }
}

/// As in a trailer.
impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} <{}>", self.name, self.email)
    }
}

/// The identity of the token. The token of a GitHub App belongs to no user: its commits belong to no account, unless the settings
/// name an identity.
///
/// # Errors
/// GitHub rejects the token, or is unavailable for longer than `retry_timeout`.
pub async fn identity_of_token(api: &Api, host: &str, retry_timeout: Duration) -> Result<Identity, Failure> {
    let user = retry_until_deadline("asking for the token's user", retry_timeout, async || {
        api.get::<User>("/user", &[]).await
    });
    match user.await {
        Ok(user) => Ok(Identity::of(&user, host)),
        Err(ApiError::Refused { status, .. }) if status != http::StatusCode::UNAUTHORIZED => {
            tracing::info!(
                "the token belongs to no user; GIT_AUTHOR_NAME and GIT_AUTHOR_EMAIL name an identity"
            );
            Ok(Identity::of_no_account())
        }
        Err(error) => Err(error.failure("the user of the token could not be found")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_the_account_by_its_id() {
        let user = User {
            id: 583_231,
            login: "octocat".to_owned(),
        };
        for (host, email) in [
            ("github.com", "583231+octocat@users.noreply.github.com"),
            ("github.example", "583231+octocat@users.noreply.github.example"),
        ] {
            let identity = Identity::of(&user, host);
            assert_eq!(
                (identity.name.as_str(), identity.email.as_str()),
                ("octocat", email)
            );
        }
    }
}
