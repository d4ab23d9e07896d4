//! The tokens of an attempt for the gateway.

use whim_core::{TokenHash, WorkerToken};

use crate::db::work_items::GatewayTokenHashes;

/// The only copies: the database has their hashes.
#[derive(Debug)]
pub struct GatewayTokens {
    /// For the agent: the model API, and the proxy.
    pub agent: WorkerToken,
    /// For the worker: git and GitHub.
    pub delivery: WorkerToken,
}

impl GatewayTokens {
    pub(super) fn generate() -> Self {
        Self {
            agent: WorkerToken::generate(),
            delivery: WorkerToken::generate(),
        }
    }

    pub(super) fn hashes(&self) -> GatewayTokenHashes {
        GatewayTokenHashes {
            agent: TokenHash::of(self.agent.reveal()),
            delivery: TokenHash::of(self.delivery.reveal()),
        }
    }
}
