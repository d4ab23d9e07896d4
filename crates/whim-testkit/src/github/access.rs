//! Authentication and permissions.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error_response::ErrorResponse;

/// The level of a permission, as in GitHub's fine-grained tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    None,
    Read,
    Write,
}

/// The permissions of a token, for every repository of the fake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Contents: clone with [`Access::Read`], push with [`Access::Write`].
    pub contents: Access,
    /// Issues, their labels and comments.
    pub issues: Access,
    /// Pull requests.
    pub pull_requests: Access,
}

impl Permissions {
    /// Read and write access to everything.
    pub const WRITE: Self = Self {
        contents: Access::Write,
        issues: Access::Write,
        pull_requests: Access::Write,
    };
    /// Read access to everything.
    pub const READ: Self = Self {
        contents: Access::Read,
        issues: Access::Read,
        pull_requests: Access::Read,
    };
    /// No access to any repository.
    pub const NONE: Self = Self {
        contents: Access::None,
        issues: Access::None,
        pull_requests: Access::None,
    };

    pub(super) fn allow(self, need: Need) -> bool {
        let granted = match need.area {
            Area::Contents => self.contents,
            Area::Issues => self.issues,
            Area::PullRequests => self.pull_requests,
        };
        need.access <= granted
    }

    /// Without any read permission the repository does not exist for the token.
    pub(super) fn sees_repositories(self) -> bool {
        self != Self::NONE
    }
}

/// The part of a repository that an operation accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Contents,
    Issues,
    PullRequests,
}

/// The permission that an operation requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) area: Area,
    pub(super) access: Access,
}

impl Need {
    /// The requirement of an operation; `None` if it belongs to no repository.
    pub(super) fn of(operation: &str, access: Access) -> Option<Self> {
        let area = match operation.split_once('/')?.0 {
            "issues" | "reactions" => Area::Issues,
            "pulls" => Area::PullRequests,
            "repos" | "git" => Area::Contents,
            _ => return None,
        };
        Some(Self { area, access })
    }
}

/// The owner of a valid token.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) login: String,
    pub(super) token: String,
    pub(super) permissions: Permissions,
}

/// The caller of a request, from its credentials.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Without a token.
    Stranger,
    /// The token, or the header that should hold it, is wrong.
    Unknown,
    Known(Identity),
}

impl Caller {
    /// The account, if there is a valid token.
    pub(super) fn identity(&self) -> Result<Option<&Identity>, ErrorResponse> {
        match self {
            Self::Stranger => Ok(None),
            Self::Unknown => Err(ErrorResponse::BadCredentials),
            Self::Known(identity) => Ok(Some(identity)),
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// The token, if it is valid.
    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Self::Stranger | Self::Unknown => None,
            Self::Known(identity) => Some(&identity.token),
        }
    }

    pub(super) fn into_login(self) -> Option<String> {
        match self {
            Self::Stranger | Self::Unknown => None,
            Self::Known(identity) => Some(identity.login),
        }
    }
}

/// The token in `Authorization`: `Bearer`, the older `token`, or the password of `Basic`, as git sends it.
/// `Some(None)` is a header that cannot be read.
pub(super) fn presented_token(headers: &HeaderMap) -> Option<Option<String>> {
    let value = headers.get(header::AUTHORIZATION)?;
    Some(value.to_str().ok().and_then(token_in))
}

fn token_in(value: &str) -> Option<String> {
    let (scheme, credentials) = value.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => Some(credentials.trim().to_owned()),
        "basic" => {
            let decoded = STANDARD.decode(credentials.trim()).ok()?;
            let (_user, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
            Some(password.to_owned())
        }
        _ => None,
    }
}
