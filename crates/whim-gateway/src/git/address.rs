//! Where repositories are: GitHub redirects those that were renamed or transferred.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use axum::http::{HeaderMap, StatusCode, header};
use url::Url;
use whim_core::RepoName;

#[derive(Debug)]
pub(super) struct Addresses {
    base: String,
    /// By the name in lower case.
    moved: RwLock<HashMap<String, RepoName>>,
}

impl Addresses {
    pub(super) fn new(base: String) -> Self {
        Self {
            base,
            moved: RwLock::default(),
        }
    }

    pub(super) fn of(&self, repo: &RepoName, path: &str) -> String {
        let moved = self.moved.read().unwrap_or_else(PoisonError::into_inner);
        let repo = moved.get(&repo.as_str().to_ascii_lowercase()).unwrap_or(repo);
        format!("{}/{repo}.git/{path}", self.base)
    }

    /// Remembers the new name of a repository, if the response is a redirect to one on the same server.
    pub(super) fn learn(&self, repo: &RepoName, status: StatusCode, headers: &HeaderMap) -> bool {
        let Some(name) = self.target(status, headers) else {
            return false;
        };
        let key = repo.as_str().to_ascii_lowercase();
        let mut moved = self.moved.write().unwrap_or_else(PoisonError::into_inner);
        moved.insert(key, name.clone()).as_ref() != Some(&name) && name != *repo
    }

    fn target(&self, status: StatusCode, headers: &HeaderMap) -> Option<RepoName> {
        if !status.is_redirection() {
            return None;
        }
        let base = Url::parse(&self.base).ok()?;
        let target = base.join(headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
        if target.origin() != base.origin() {
            return None;
        }
        let path = target.path().strip_prefix(base.path().trim_end_matches('/'))?;
        let mut segments = path.strip_prefix('/')?.split('/');
        let (owner, name) = (segments.next()?, segments.next()?);
        RepoName::parse(&format!("{owner}/{}", name.strip_suffix(".git").unwrap_or(name))).ok()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_repository_is_found_at_its_new_name_on_the_same_server() {
        let repo = RepoName::parse("octocat/hello").unwrap();
        let learn = |location: &'static str| {
            let addresses = Addresses::new("https://github.com".to_owned());
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            let is_new = addresses.learn(&repo, StatusCode::MOVED_PERMANENTLY, &headers);
            // The second time there is nothing new: no redirect is followed for ever.
            assert!(!addresses.learn(&repo, StatusCode::MOVED_PERMANENTLY, &headers));
            (is_new, addresses.of(&repo, "info/refs"))
        };
        for (location, is_new, address) in [
            (
                "https://github.com/hubot/bye.git/info/refs?service=x",
                true,
                "https://github.com/hubot/bye.git/info/refs",
            ),
            (
                "/hubot/bye/info/refs",
                true,
                "https://github.com/hubot/bye.git/info/refs",
            ),
            (
                "https://evil.example/hubot/bye.git/info/refs",
                false,
                "https://github.com/octocat/hello.git/info/refs",
            ),
            (
                "http://github.com/hubot/bye.git/info/refs",
                false,
                "https://github.com/octocat/hello.git/info/refs",
            ),
            ("/login", false, "https://github.com/octocat/hello.git/info/refs"),
        ] {
            assert_eq!(learn(location), (is_new, address.to_owned()), "{location}");
        }
    }
}
