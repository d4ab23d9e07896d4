//! The faults of the orchestrator's API.

use whim_core::protocol::ErrorCode;

use super::api_error::ApiError;
use crate::fault;

/// A fault of the orchestrator.
pub type Fault = fault::Fault<Effect>;

/// The faults that wait for a request of the orchestrator's clients.
pub type Faults = fault::Faults<Effect>;

#[derive(Clone, Debug, Default)]
pub enum Effect {
    #[default]
    Pass,
    /// Nothing is done; this is the response.
    Refuse(ApiError),
    /// The request takes effect, and the caller gets 502.
    LoseResponse,
    /// The request takes effect, and the caller gets no response.
    HoldResponse,
}

impl fault::Effect for Effect {
    fn is_processed(&self) -> bool {
        match self {
            Self::Pass | Self::LoseResponse | Self::HoldResponse => true,
            Self::Refuse(_) => false,
        }
    }
}

impl Fault {
    /// Responds 503 as while Postgres is down; nothing is done.
    #[must_use]
    pub fn unavailable(self) -> Self {
        self.refuse(ErrorCode::Unavailable, "Postgres is unavailable")
    }

    /// Responds 409 with one of the codes of that status; nothing is done.
    #[must_use]
    pub fn conflict(self, code: ErrorCode) -> Self {
        self.refuse(code, "refused by a fault of the test")
    }

    fn refuse(self, code: ErrorCode, error: &str) -> Self {
        self.with_effect(Effect::Refuse(ApiError::new(code, error)))
    }

    /// Processes the request and responds 502, like a proxy whose upstream connection broke.
    #[must_use]
    pub fn lose_response(self) -> Self {
        self.with_effect(Effect::LoseResponse)
    }

    /// Processes the request and never responds.
    #[must_use]
    pub fn hold_response(self) -> Self {
        self.with_effect(Effect::HoldResponse)
    }
}
