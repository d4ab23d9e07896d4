//! Workers: one row for each attempt at an item.

mod deferrals;
mod final_response;
mod gateway_tokens;
mod queries;
mod transitions;
mod view;

pub use self::deferrals::{Streak, others_got_past, streak};
pub use self::final_response::{FinalReport, FinalResponse};
pub use self::gateway_tokens::by_gateway_token;
pub use self::queries::{
    AwaitingStop, Expired, LiveWorker, Locked, Overdue, TokenOwner, attempt_number, awaiting_stop, by_token,
    count_live, count_live_by_status, expired, has_lease, live, lock, predecessor_was_fenced, renew_leases,
    since_last_start,
};
pub use self::transitions::{End, end, mark_stopped, register, set_handle};
pub use self::view::{find, page};
