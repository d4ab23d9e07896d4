//! Why a request is not forwarded.

use std::path::PathBuf;

use hyper::StatusCode;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Whim does not make such a request; the text says which part of it.
    #[error("the socket proxy refuses this: {0}")]
    Forbidden(String),
    /// The engine is unavailable.
    #[error("the container engine does not answer the socket proxy at {}", engine.display())]
    Unavailable {
        /// Its socket.
        engine: PathBuf,
        source: anyhow::Error,
    },
}

impl Refusal {
    pub(crate) fn forbidden(what: impl Into<String>) -> Self {
        Self::Forbidden(what.into())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::BAD_GATEWAY,
        }
    }
}
