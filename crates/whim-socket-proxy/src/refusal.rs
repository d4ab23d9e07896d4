//! Why a request is not handed on.

use std::path::PathBuf;

use hyper::StatusCode;

/// A request that ends here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is nothing that Whim does; the text says what in it.
    #[error("the socket proxy refuses this: {0}")]
    Forbidden(String),
    /// Nothing can be asked of the engine at the moment.
    #[error("the container engine does not answer the socket proxy at {}", engine.display())]
    Away {
        /// Its socket.
        engine: PathBuf,
        /// What went wrong.
        source: anyhow::Error,
    },
}

impl Refusal {
    /// For what is not on the list.
    pub(crate) fn forbidden(what: impl Into<String>) -> Self {
        Self::Forbidden(what.into())
    }

    /// With what it is answered.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Away { .. } => StatusCode::BAD_GATEWAY,
        }
    }
}
