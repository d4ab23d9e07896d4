//! What the responses of GitHub's REST API mean.

mod message;
mod rate_limit;
mod redirect;

pub use self::message::error_message;
pub use self::rate_limit::{MAX_WAIT, requested_wait};
pub use self::redirect::redirect_target;
