//! What the token may do, and where.

use chrono::{DateTime, NaiveDateTime, Utc};
use reqwest::header::{DATE, HeaderMap};
use serde::Deserialize;
use serde_json::json;
use whim_core::RepoName;

use super::pages::PER_PAGE;
use super::{Account, AccountBody, GitHub, GitHubError};

const EXPIRATION: &str = "github-authentication-token-expiration";

/// Whose token it is, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenReport {
    pub(crate) account: Account,
    /// `None` if it never expires, or GitHub does not say.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) server_time: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RepositoryReport {
    pub(crate) is_archived: bool,
    pub(crate) has_issues: bool,
    pub(crate) may_push: bool,
}

#[derive(Deserialize)]
struct RepositoryBody {
    #[serde(default)]
    archived: bool,
    #[serde(default = "yes")]
    has_issues: bool,
    permissions: Option<PermissionsBody>,
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
        })
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
