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

/// `POST /api/gateway/limits`: the model API answers no request for now, or none with the gateway's credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportModelLimit {
    /// The worker whose agent made the request.
    pub worker_id: WorkerId,
    pub limit: ModelLimit,
    /// What the API said, for people.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4096, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$")
    )]
    pub message: String,
    /// Time until the reset, if the API named one; at most 366 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 31_622_400))]
    pub retry_after_seconds: Option<u64>,
}

/// Why the model API answers no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ModelLimit {
    /// The rate or usage limit of the account, until a reset.
    Rate,
    /// The spend limit or the credit of the account is used up.
    Spend,
    /// The credential is refused.
    Credential,
}

/// The answer to [`ReportModelLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelLimitReported {
    /// For how long no worker is started; absent if the breaker is not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_for_seconds: Option<u64>,
}

/// What a token of an attempt is for (docs/decisions/0039-two-tokens-per-attempt.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "sqlx",
    derive(sqlx::Type),
    sqlx(type_name = "token_scope", rename_all = "snake_case")
)]
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
