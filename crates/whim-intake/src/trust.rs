//! Whose requests count, and for which text (`docs/attacks.md`, rows 16 to 18).
//!
//! A request is the event with which a person put the intake label on an issue, or took off a label that ended an earlier
//! run. It counts if that person may write to the repository, and for the text that the issue had at that time.

mod context;
mod edits;
mod people;
mod request;

pub(crate) use self::context::{context_candidates, description, quoted_note};
pub(crate) use self::edits::{Edit, edits_since};
pub(crate) use self::people::People;
pub use self::people::{AllowedBot, AllowedUser};
pub(crate) use self::request::{
    Request, RequestId, Stop, StopReason, is_later, latest_request, may_be_stopped, stop_request,
};
