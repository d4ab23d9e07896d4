//! What the token may do, and where.

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap};
use serde::Deserialize;
use serde_json::json;
use whim_core::RepoName;

use super::pages::PER_PAGE;
use super::{Account, AccountBody, GitHub, GitHubError};

/// Scopes of a classic token. Other tokens have no such header.
const SCOPES: &str = "x-oauth-scopes";
/// No branch has this name, because git refuses it.
const IMPOSSIBLE_BRANCH: &str = "whim-permission-check~";
const MAX_SCOPES: usize = 100;
const EXPIRATION: &str = "github-authentication-token-expiration";

/// Whose token it is, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenReport {
    pub(crate) account: Account,
    /// `None` if it never expires, or GitHub does not say.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// `None` for other than classic tokens.
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) server_time: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepositoryReport {
    pub(crate) is_archived: bool,
    pub(crate) has_issues: bool,
    /// The role of the token's account. Whether the token itself may push is seen by the preflight of a worker.
    pub(crate) may_push: bool,
    pub(crate) default_branch: String,
}

/// Whether the token has a permission to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WritePermission {
    Granted,
    /// In GitHub's words, with the permission that it names.
    Missing {
        message: String,
    },
    /// GitHub failed.
    Unknown,
}

#[derive(Deserialize)]
struct RepositoryBody {
    #[serde(default)]
    archived: bool,
    #[serde(default = "yes")]
    has_issues: bool,
    permissions: Option<PermissionsBody>,
    default_branch: String,
}

#[derive(Deserialize)]
struct PermissionsBody {
    #[serde(default)]
    push: bool,
}

#[derive(Deserialize)]
struct LabelBody {
    name: String,
}

const fn yes() -> bool {
    true
}

impl GitHub {
    pub(crate) async fn token_report(&self) -> Result<TokenReport, GitHubError> {
        let what = "reading the token's account";
        let (body, headers): (AccountBody, HeaderMap) = self.get_with_headers(what, &["user"]).await?;
        Ok(TokenReport {
            account: body.into(),
            expires_at: header(&headers, EXPIRATION).and_then(expiration),
            scopes: header(&headers, SCOPES).map(scopes),
            server_time: header(&headers, DATE.as_str()).and_then(server_time),
        })
    }

    pub(crate) async fn repository(&self, repo: &RepoName) -> Result<RepositoryReport, GitHubError> {
        let path = ["repos", repo.owner(), repo.name()];
        let body: RepositoryBody = self.get("reading a repository", &path).await?;
        Ok(RepositoryReport {
            is_archived: body.archived,
            has_issues: body.has_issues,
            may_push: body.permissions.is_some_and(|permissions| permissions.push),
            default_branch: body.default_branch,
        })
    }

    /// Shown by a label whose color is none.
    pub(crate) async fn may_write_issues(&self, repo: &RepoName) -> Result<WritePermission, GitHubError> {
        let path = ["repos", repo.owner(), repo.name(), "labels"];
        let body = json!({ "name": "whim-permission-check", "color": "none" });
        permission(
            self.post("examining the permission for issues", &path, &body)
                .await,
        )
    }

    /// Shown by a pull request of a branch that cannot exist.
    pub(crate) async fn may_open_pull_requests(
        &self,
        repo: &RepoName,
        default_branch: &str,
    ) -> Result<WritePermission, GitHubError> {
        let path = ["repos", repo.owner(), repo.name(), "pulls"];
        let title = "Permission check of Whim";
        let body = json!({ "title": title, "head": IMPOSSIBLE_BRANCH, "base": default_branch });
        permission(
            self.post("examining the permission for pull requests", &path, &body)
                .await,
        )
    }

    pub(crate) async fn label_names(&self, repo: &RepoName) -> Result<Vec<String>, GitHubError> {
        let path = ["repos", repo.owner(), repo.name(), "labels"];
        let labels: Vec<LabelBody> = self
            .get_all("listing labels", &path, &[("per_page", PER_PAGE)])
            .await?;
        Ok(labels.into_iter().map(|label| label.name).collect())
    }

    /// `color`: six hexadecimal digits.
    pub(crate) async fn create_label(
        &self,
        repo: &RepoName,
        name: &str,
        color: &str,
        description: &str,
    ) -> Result<(), GitHubError> {
        let path = ["repos", repo.owner(), repo.name(), "labels"];
        let body = json!({ "name": name, "color": color, "description": description });
        self.post("creating a label", &path, &body).await
    }
}

/// The meaning of the answer to a change that GitHub cannot make: it checks the permission before the values.
fn permission(answer: Result<(), GitHubError>) -> Result<WritePermission, GitHubError> {
    match answer {
        // 422: the values were checked, after the permission.
        Ok(()) | Err(GitHubError::Refused { status: 422, .. }) => Ok(WritePermission::Granted),
        Err(GitHubError::Refused { message, .. }) => Ok(WritePermission::Missing { message }),
        Err(error @ GitHubError::NotFound { .. }) => Ok(WritePermission::Missing {
            message: error.to_string(),
        }),
        // Of this repository only.
        Err(error) if error.is_outage() => Ok(WritePermission::Unknown),
        Err(error) => Err(error),
    }
}

/// `repo, read:org`.
fn scopes(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .take(MAX_SCOPES)
        .collect()
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// `2026-12-31 23:59:59 UTC`, or with an offset such as `-0800`.
fn expiration(text: &str) -> Option<DateTime<Utc>> {
    if let Some(text) = text.strip_suffix(" UTC") {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S");
        return Some(time.ok()?.and_utc());
    }
    let time = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z");
    Some(time.ok()?.to_utc())
}

/// `Sat, 28 Nov 2026 20:31:40 GMT`.
fn server_time(text: &str) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc2822(text).ok()?.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read() {
        assert_eq!(scopes("repo, read:org"), ["repo", "read:org"]);
        assert_eq!(scopes(""), Vec::<String>::new());
    }

    #[test]
    fn a_change_that_cannot_be_made_shows_the_permission() {
        let refused = |status| GitHubError::Refused {
            what: "trying",
            status,
            message: "no (needs issues=write)".to_owned(),
        };
        assert_eq!(permission(Err(refused(422))).unwrap(), WritePermission::Granted);
        let missing = permission(Err(refused(403))).unwrap();
        assert_eq!(
            missing,
            WritePermission::Missing {
                message: "no (needs issues=write)".to_owned()
            }
        );
        let outage = GitHubError::Unavailable {
            what: "trying",
            status: 502,
        };
        assert_eq!(permission(Err(outage)).unwrap(), WritePermission::Unknown);
        let limited = GitHubError::RateLimited {
            what: "trying",
            wait: std::time::Duration::from_secs(1),
        };
        assert!(permission(Err(limited)).is_err());
    }

    #[test]
    fn times_in_headers_are_read() {
        let expected = DateTime::parse_from_rfc3339("2026-12-31T23:59:59Z").unwrap();
        for text in ["2026-12-31 23:59:59 UTC", "2026-12-31 15:59:59 -0800"] {
            assert_eq!(expiration(text), Some(expected.to_utc()), "{text}");
        }
        assert_eq!(expiration("soon"), None);
        assert_eq!(
            server_time("Thu, 31 Dec 2026 23:59:59 GMT"),
            Some(expected.to_utc())
        );
        assert_eq!(server_time("now"), None);
    }
}
