//! Error responses.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The body of every response with a status of 400 or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The problem and the expected value, for people.
    pub error: String,
    /// The problem, for programs.
    pub code: ErrorCode,
    /// Depends on the code: the field of an invalid request, the current state, the holders of locks.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// The problem, for programs. Callers decide on this, never on the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 400: the request cannot be parsed, or a field is invalid; `details.field` names it.
    InvalidRequest,
    /// 401: the credential is missing or wrong.
    Unauthorized,
    /// 403: the credential does not permit this.
    Forbidden,
    /// 404: there is no such route or object.
    NotFound,
    /// 405: the route has other methods.
    MethodNotAllowed,
    /// 409: the state of the item or worker does not allow this. `details.status` is the state; `details.run` is the
    /// item's run if the request was about another one.
    WrongState,
    /// 409: the worker no longer has its item and has to stop.
    LeaseLost,
    /// 409: another live item works on the branch; `details.workItemId` names it.
    BranchInUse,
    /// 409: other workers hold locks of the files; `details.conflicts` names them.
    LockHeld,
    /// 409: another process registered as this worker.
    AlreadyRegistered,
    /// 409: there are as many of these as are accepted; `details.limit` is the number.
    LimitReached,
    /// 413: the body is larger than the limit.
    TooLarge,
    /// 426: the orchestrator has another protocol version.
    UnknownProtocol,
    /// 429: too many requests.
    RateLimited,
    /// 503: a dependency is unavailable; try again.
    Unavailable,
    /// 500: a defect in Whim; the log has the cause under the request's id.
    Internal,
    /// A code that this version does not have.
    #[serde(other)]
    Unknown,
}
