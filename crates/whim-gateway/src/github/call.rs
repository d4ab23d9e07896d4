//! The calls of a delivery.

use axum::http::{Method, StatusCode};
use url::form_urlencoded;
use whim_core::{BranchName, RepoName, UserName};

use crate::refusal::Refusal;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// `GET /user`: whose name the commits have.
    User,
    /// `GET /users/{login}`: whom a commit names as its co-author.
    Account(UserName),
    /// `GET /repos/{repo}`.
    Repository(String),
    /// `GET /repos/{repo}/rules/branches/{branch}`, with the branch.
    BranchRules(String, String),
    /// `GET /repos/{repo}/rulesets/{id}`.
    Ruleset(String, u64),
    /// `GET /repos/{repo}/pulls` of the attempt's branch.
    ListPulls(String, Listing),
    /// `POST /repos/{repo}/pulls`.
    OpenPull(String),
    /// `PATCH /repos/{repo}/pulls/{number}`.
    UpdatePull(String, u64),
    /// `POST /repos/{repo}/issues/{number}/comments`, where the number is that of a pull request.
    Comment(String, u64),
    /// `POST /graphql`, for what the REST API cannot do.
    SetDraft,
}

/// The query of a list of pull requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    state: &'static str,
    /// `owner:branch`.
    head: String,
}

/// The query of rules.
const RULES: &str = "per_page=100";

const STATES: [&str; 3] = ["open", "closed", "all"];

impl Call {
    /// # Errors
    /// No delivery makes this call.
    pub(super) fn of(method: &Method, path: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let query = query.filter(|query| !query.is_empty());
        let segments: Vec<&str> = path.split('/').collect();
        let call = match (method, segments.as_slice(), query) {
            (&Method::GET, ["user"], None) => Some(Self::User),
            (&Method::GET, ["users", login], None) => UserName::parse(login).ok().map(Self::Account),
            (&Method::POST, ["graphql"], None) => Some(Self::SetDraft),
            (&Method::GET, ["repos", owner, name], None) => repo(owner, name).map(Self::Repository),
            // The slashes of a branch arrive decoded.
            (&Method::GET, ["repos", owner, name, "rules", "branches", branch @ ..], Some(RULES)) => {
                repo(owner, name).map(|repo| Self::BranchRules(repo, branch.join("/")))
            }
            (&Method::GET, ["repos", owner, name, "rulesets", id], None) => repo(owner, name)
                .zip(id.parse().ok())
                .map(|(repo, id)| Self::Ruleset(repo, id)),
            (&Method::GET, ["repos", owner, name, "pulls"], Some(query)) => repo(owner, name)
                .zip(Listing::parse(query))
                .map(|(repo, listing)| Self::ListPulls(repo, listing)),
            (&Method::POST, ["repos", owner, name, "pulls"], None) => repo(owner, name).map(Self::OpenPull),
            (&Method::PATCH, ["repos", owner, name, "pulls", number], None) => repo(owner, name)
                .zip(number.parse().ok())
                .map(|(repo, number)| Self::UpdatePull(repo, number)),
            (&Method::POST, ["repos", owner, name, "issues", number, "comments"], None) => repo(owner, name)
                .zip(number.parse().ok())
                .map(|(repo, number)| Self::Comment(repo, number)),
            _ => None,
        };
        call.ok_or_else(|| {
            let message = format!("{method} /{path} is no call of a delivery");
            Refusal::new(StatusCode::FORBIDDEN, "call", message)
        })
    }
}

fn repo(owner: &str, name: &str) -> Option<String> {
    let repo = RepoName::parse(&format!("{owner}/{name}")).ok()?;
    Some(repo.as_str().to_owned())
}

impl Listing {
    fn parse(query: &str) -> Option<Self> {
        let (mut state, mut head) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "state" if state.is_none() => {
                    state = Some(STATES.into_iter().find(|known| *known == value)?);
                }
                "head" if head.is_none() => head = Some(value.into_owned()),
                _ => return None,
            }
        }
        Some(Self {
            state: state?,
            head: head?,
        })
    }

    /// The state of the pull requests, if they are those of the branch.
    ///
    /// # Errors
    /// They are those of another branch.
    pub(super) fn state_of(&self, branch: &BranchName) -> Result<&'static str, Refusal> {
        match self.head.split_once(':') {
            Some((_owner, head)) if head == branch.as_str() => Ok(self.state),
            Some(_) | None => Err(Refusal::forbidden(
                "other_branch",
                format!("expected head=owner:{branch}"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: Method, path: &str, query: Option<&str>) -> Option<Call> {
        Call::of(&method, path, query).ok()
    }

    #[test]
    fn the_calls_of_a_delivery_are_known() {
        assert_eq!(call(Method::GET, "user", Some("")), Some(Call::User));
        assert_eq!(
            call(Method::GET, "repos/a/b", Some("")),
            Some(Call::Repository("a/b".to_owned()))
        );
        assert_eq!(
            call(Method::PATCH, "repos/a/b/pulls/7", None),
            Some(Call::UpdatePull("a/b".to_owned(), 7))
        );
        let listing = call(
            Method::GET,
            "repos/a/b/pulls",
            Some("state=open&head=a%3Awhim%2F7"),
        );
        let Some(Call::ListPulls(_, listing)) = listing else {
            panic!("{listing:?}");
        };
        assert_eq!(
            listing.state_of(&BranchName::parse("whim/7").unwrap()).unwrap(),
            "open"
        );
        assert!(listing.state_of(&BranchName::parse("whim/8").unwrap()).is_err());
    }

    // docs/attacks.md, row 20.
    #[test]
    fn everything_else_is_refused() {
        for (method, path, query) in [
            (Method::POST, "gists", None),
            (Method::GET, "user/repos", None),
            (Method::GET, "user", Some("per_page=100")),
            (Method::DELETE, "repos/a/b", None),
            (Method::PATCH, "repos/a/b", None),
            (Method::GET, "repos/a/b/contents/x", None),
            (Method::GET, "repos/a/b/actions/secrets", None),
            (Method::GET, "repos/a/b/pulls", None),
            (Method::GET, "repos/a/b/pulls", Some("state=open")),
            (
                Method::GET,
                "repos/a/b/pulls",
                Some("state=open&head=a:b&head=a:c"),
            ),
            (
                Method::GET,
                "repos/a/b/pulls",
                Some("state=open&head=a:b&per_page=100"),
            ),
            (Method::GET, "repos/a/b/pulls", Some("state=mine&head=a:b")),
            (Method::PUT, "repos/a/b/pulls/7/merge", None),
            (Method::PATCH, "repos/a/b/pulls/7/../8", None),
            (Method::PATCH, "repos/a/b/pulls/+7x", None),
            (Method::POST, "repos/a/b/issues/x/comments", None),
            (Method::GET, "repos/a/b/issues/7/comments", None),
            (Method::GET, "users/a/repos", None),
            (Method::GET, "users/-a", None),
            (Method::GET, "repos/a/b/rules/branches/main", None),
            (Method::GET, "repos/a/b/rulesets", None),
            (Method::GET, "repos/a/b/rulesets/7/history", None),
            (Method::POST, "repos/a/b/git/refs", None),
            (Method::POST, "repos/a/b/releases", None),
            (Method::POST, "repos/a/../pulls", None),
            (Method::POST, "repos/a/b//pulls", None),
            (Method::POST, "repos/a/b/pulls/", None),
            (Method::POST, "graphql", Some("x=1")),
            (Method::GET, "graphql", None),
            (Method::GET, "", None),
        ] {
            assert_eq!(call(method, path, query), None, "{path} {query:?}");
        }
    }
}
