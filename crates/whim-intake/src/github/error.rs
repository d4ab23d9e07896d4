//! Errors of calls to GitHub.

use std::time::Duration;

/// `what` is the purpose of the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitHubError {
    /// The call was not sent, or was refused.
    #[error("{what}: GitHub limits the rate of calls for the next {} s", .wait.as_secs())]
    RateLimited { what: &'static str, wait: Duration },
    /// 401.
    #[error("{what}: GitHub does not accept the token; check GITHUB_TOKEN")]
    Unauthorized { what: &'static str },
    /// 403 and other client errors.
    #[error(
        "{what}: GitHub refused the call ({status}): {message}; check that GITHUB_TOKEN may read and write the repository's issues"
    )]
    Refused {
        what: &'static str,
        status: u16,
        message: String,
    },
    /// 404 or 410.
    #[error(
        "{what}: GitHub does not find {path}; check REPOS, that GITHUB_TOKEN may read the repository, and that its issues are enabled"
    )]
    NotFound { what: &'static str, path: String },
    /// 5xx.
    #[error("{what}: GitHub is unavailable ({status})")]
    Unavailable { what: &'static str, status: u16 },
    /// No response.
    #[error("{what}: reaching GitHub")]
    Unreachable {
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
    /// Another service responds at that URL.
    #[error("{what}: the response is not one of GitHub; check GITHUB_API_URL")]
    UnexpectedResponse {
        what: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("{what}: more than {pages} pages; set INTAKE_LABEL to a label with fewer issues")]
    TooManyPages { what: &'static str, pages: usize },
}

impl GitHubError {
    /// Whether every other call would fail the same way.
    pub(crate) fn affects_all_calls(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unauthorized { .. } | Self::Unreachable { .. } => true,
            Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::Unavailable { .. }
            | Self::UnexpectedResponse { .. }
            | Self::TooManyPages { .. } => false,
        }
    }

    /// Whether GitHub fails, possibly for this call only.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::UnexpectedResponse { .. } => true,
            Self::RateLimited { .. }
            | Self::Unauthorized { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::TooManyPages { .. } => false,
        }
    }
}
