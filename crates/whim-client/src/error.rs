//! What a call can come to instead of its answer.

use serde::Deserialize as _;
use whim_core::protocol::worker::LockConflict;
use whim_core::protocol::{ErrorBody, ErrorCode};

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Paths cannot be added to the URL.
    #[error("the orchestrator's URL must start with http:// or https://")]
    BaseUrl,
    /// The key or token holds characters that a header cannot.
    #[error("the orchestrator's key or token must consist of visible ASCII characters")]
    Credential(#[source] reqwest::header::InvalidHeaderValue),
    /// The HTTP client refused its settings.
    #[error("making an HTTP client")]
    Http(#[source] reqwest::Error),
}

/// A call did not get its answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The orchestrator understood and said no.
    #[error("the orchestrator refused ({status}): {}", .body.error)]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Why.
        body: Box<ErrorBody>,
    },
    /// No answer, or none in time. Whether the call took effect is unknown, unless it is repeated.
    #[error("reaching the orchestrator")]
    Unreachable(#[source] reqwest::Error),
    /// An answer that is not the protocol's: something else answers at that address, or the versions differ.
    #[error("the orchestrator's answer ({status}) was not understood: {snippet}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer, and the beginning of it.
        snippet: String,
    },
}

impl ClientError {
    /// Why the orchestrator refused; `None` when it did not.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { body, .. } => Some(body.code),
            Self::Unreachable(_) | Self::Unexpected { .. } => None,
        }
    }

    /// The HTTP status of the answer; `None` when there was none.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unexpected { status, .. } => Some(*status),
            Self::Unreachable(_) => None,
        }
    }

    /// Whether the same call may well succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { status, .. } | Self::Unexpected { status, .. } => {
                matches!(status, 429 | 500 | 502 | 503 | 504)
            }
            Self::Unreachable(_) => true,
        }
    }

    /// Who holds the files, when a lock was refused for that; empty otherwise.
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
