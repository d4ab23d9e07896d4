//! Why a poll, or the processing of one issue, failed. The next poll is the retry.

use whim_client::ClientError;
use whim_core::protocol::ErrorCode;
use whim_service::chain::chain;

use crate::github::GitHubError;

#[derive(Debug, thiserror::Error)]
pub(super) enum PollError {
    #[error("calling GitHub")]
    GitHub(#[from] GitHubError),
    #[error("calling the orchestrator{}", hint(.0))]
    Orchestrator(#[from] ClientError),
}

/// The setting that may be wrong.
fn hint(error: &ClientError) -> &'static str {
    match (error, error.code()) {
        (ClientError::Refused { .. }, Some(ErrorCode::Unauthorized | ErrorCode::Forbidden)) => {
            " (check API_KEY)"
        }
        (ClientError::Unexpected { .. } | ClientError::Unreachable(_), _) => " (check ORCHESTRATOR_URL)",
        (ClientError::Refused { .. }, _) => "",
    }
}

impl PollError {
    /// Whether the other issues would fail the same way.
    pub(super) fn affects_all_issues(&self) -> bool {
        match self {
            Self::GitHub(error) => error.affects_all_calls(),
            Self::Orchestrator(error) => {
                error.is_temporary()
                    || matches!(error.code(), Some(ErrorCode::Unauthorized | ErrorCode::Forbidden))
            }
        }
    }

    pub(super) fn is_github_outage(&self) -> bool {
        match self {
            Self::GitHub(error) => error.is_outage(),
            Self::Orchestrator(_) => false,
        }
    }
}

/// The error chain of a failed poll.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct PollFailure {
    text: String,
}

impl PollFailure {
    pub(super) fn new(error: &PollError) -> Self {
        Self {
            text: chain(error).to_string(),
        }
    }
}
