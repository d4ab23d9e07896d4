//! What the gateway asks the orchestrator.

use serde::{Deserialize, Serialize};

use crate::token::TokenHash;
use crate::{BranchName, CommitHash, LeaseEpoch, RepoName, WorkItemId, WorkerId};

/// `POST /api/gateway/attempts`: finds the live attempt that a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindAttempt {
    pub token_hash: TokenHash,
}

/// A live attempt, and what its token is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct GatewayAttempt {
    pub work_item_id: WorkItemId,
    pub worker_id: WorkerId,
    pub lease_epoch: LeaseEpoch,
    pub repo: RepoName,
    /// The only branch that the attempt may push.
    pub branch: BranchName,
    /// Where the branch is, as far as workers reported it.
    pub head_sha: Option<CommitHash>,
    pub scope: TokenScope,
}

/// What a token of an attempt is for (docs/decisions/0039-two-tokens-per-attempt.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(type_name = "token_scope", rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    /// The agent and the project's commands: the model API, and the proxy.
    Agent,
    /// The worker: git and GitHub.
    Delivery,
}

impl TokenScope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Delivery => "delivery",
        }
    }
}
