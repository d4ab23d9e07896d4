//! What a call of GitHub can come to instead of its answer.

use std::time::Duration;

/// A call of GitHub failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitHubError {
    /// The rate of calls is limited; nothing is sent until then.
    #[error("{what}: GitHub limits the rate of calls; going on in {} s", .wait.as_secs())]
    RateLimited {
        /// What was being done.
        what: &'static str,
        /// How long from now.
        wait: Duration,
    },
    /// 401.
    #[error("{what}: GitHub does not accept the token; check GITHUB_TOKEN")]
    Unauthorized {
        /// What was being done.
        what: &'static str,
    },
    /// 403 and other refusals.
    #[error(
        "{what}: GitHub refused ({status}): {message}; check that GITHUB_TOKEN may read and write the repository's issues"
    )]
    Refused {
        /// What was being done.
        what: &'static str,
        /// The HTTP status.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// 404 or 410.
    #[error(
        "{what}: GitHub knows no {path}; check REPOS, that GITHUB_TOKEN may see the repository, and that it has issues"
    )]
    NotFound {
        /// What was being done.
        what: &'static str,
        /// What it was asked for.
        path: String,
    },
    /// 5xx.
    #[error("{what}: GitHub is not available ({status})")]
    Unavailable {
        /// What was being done.
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// No answer.
    #[error("{what}: reaching GitHub")]
    Unreachable {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is not GitHub's: something else answers at that address.
    #[error("{what}: GitHub's answer was not understood; check GITHUB_API_URL")]
    Misfit {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// More pages than any list of ours has.
    #[error("{what}: more than {pages} pages; narrow the label")]
    TooManyPages {
        /// What was being done.
        what: &'static str,
        /// How many were read.
        pages: usize,
    },
}

impl GitHubError {
    /// Whether every other call would fail the same way for now.
    pub(crate) fn concerns_all_calls(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unauthorized { .. } | Self::Unreachable { .. } => true,
            Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::Unavailable { .. }
            | Self::Misfit { .. }
            | Self::TooManyPages { .. } => false,
        }
    }

    /// Whether it is trouble of GitHub's, which may or may not strike the next call too.
    pub(crate) fn is_githubs_trouble(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Misfit { .. } => true,
            Self::RateLimited { .. }
            | Self::Unauthorized { .. }
            | Self::Unreachable { .. }
            | Self::Refused { .. }
            | Self::NotFound { .. }
            | Self::TooManyPages { .. } => false,
        }
    }
}
