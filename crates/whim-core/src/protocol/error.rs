//! The one shape of an error answer.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of every answer with a status of 400 or more: `{"error", "code", "details"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What is wrong and what would be right, for a person.
    pub error: String,
    /// What is wrong, for a program.
    pub code: ErrorCode,
    /// More about it, by code: the field of an invalid request, the state that won, the holders of locks.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// What is wrong, for a program: a caller decides on this and never on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request does not parse, or a field is wrong; `details.field` names it.
    InvalidRequest,
    /// 401: no credential, or a wrong one.
    Unauthorized,
    /// 403: the credential is right, but not for this.
    Forbidden,
    /// 404: there is no such thing.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 409: the item or worker is in a state that does not allow this; `details.status` is the state that won.
    WrongState,
    /// 409: the worker's item was taken away; the worker has to stop itself.
    LeaseLost,
    /// 409: another live item works on that branch; `details.workItemId` names it.
    BranchInUse,
    /// 409: a file is locked by another worker; `details.conflicts` names the holders.
    LockHeld,
    /// 409: another process registered as this worker.
    AlreadyRegistered,
    /// 413: the body is larger than the limit.
    TooLarge,
    /// 426: the protocol version is not spoken here.
    UnknownProtocol,
    /// 429: too many requests.
    RateLimited,
    /// 503: a part that is needed is away; try again.
    Unavailable,
    /// 500: a defect of Whim's; the log has the cause under the request's id.
    Internal,
    /// A code of a newer orchestrator.
    #[serde(other)]
    Unknown,
}
