//! Errors of calls.

use serde::Deserialize as _;
use whim_core::protocol::worker::LockConflict;
use whim_core::protocol::{ErrorBody, ErrorCode};

/// A client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the orchestrator's URL must start with http:// or https://")]
    BaseUrl,
    #[error("the orchestrator's key or token must consist of visible ASCII characters")]
    Credential(#[source] reqwest::header::InvalidHeaderValue),
    #[error("creating the HTTP client")]
    Http(#[source] reqwest::Error),
}

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The orchestrator answered with an error.
    #[error("the orchestrator refused ({status}): {}", .body.error)]
    Refused { status: u16, body: Box<ErrorBody> },
    /// No response in time. Whether the call took effect is unknown.
    #[error("reaching the orchestrator")]
    Unreachable(#[source] reqwest::Error),
    /// A response that does not fit the API: another server answers at that address, or the versions differ.
    #[error("the response of the orchestrator ({status}) is not valid: {snippet}")]
    Unexpected {
        status: u16,
        /// The problem, and the beginning of the response.
        snippet: String,
    },
}

impl ClientError {
    /// The code of the error response, if there was one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { body, .. } => Some(body.code),
            Self::Unreachable(_) | Self::Unexpected { .. } => None,
        }
    }

    /// The status of the response, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unexpected { status, .. } => Some(*status),
            Self::Unreachable(_) => None,
        }
    }

    /// Whether the same call may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { status, .. } | Self::Unexpected { status, .. } => {
                matches!(status, 429 | 500 | 502 | 503 | 504)
            }
            Self::Unreachable(_) => true,
        }
    }

    /// The conflicts of a refused lock request; empty for other errors.
    pub fn lock_conflicts(&self) -> Vec<LockConflict> {
        let Self::Refused { body, .. } = self else {
            return Vec::new();
        };
        let Some(conflicts) = body
            .details
            .get("conflicts")
            .and_then(|conflicts| conflicts.as_array())
        else {
            return Vec::new();
        };
        conflicts
            .iter()
            .filter_map(|conflict| LockConflict::deserialize(conflict).ok())
            .collect()
    }
}

pub(crate) fn unreachable(error: reqwest::Error) -> ClientError {
    // The URL may contain a password.
    ClientError::Unreachable(error.without_url())
}
