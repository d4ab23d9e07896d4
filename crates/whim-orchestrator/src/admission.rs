//! Admission: whether a worker may be started now, and for which items.
//!
//! The decision is a pure function ([`policy`]) of a [`Snapshot`]. The dispatcher uses it before it takes the cooldown,
//! the claim uses it under the lock of all claims, where it is exact, and `/api/status` and `explain` report it.

mod blocked_reason;
mod policy;
mod snapshot;

pub use self::blocked_reason::BlockedReason;
pub(crate) use self::policy::{admit, exhausted_budgets, iterations_of_item, reasons_of_item, remaining};
pub(crate) use self::snapshot::{Cooldown, Snapshot, daily_usage};
