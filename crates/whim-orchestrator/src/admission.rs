//! Admission: whether a worker may be started now, and for which items.
//!
//! The decision is a pure function ([`policy`]) of a [`Snapshot`]. The dispatcher uses it before it takes the cooldown,
//! the claim uses it under the lock of all claims, where it is exact, and `/api/status` and `explain` report it.

mod policy;
mod reason;
mod snapshot;

pub(crate) use self::policy::{admit, exhausted_budgets, iterations_of_item, reasons_of_item, remaining};
pub use self::reason::BlockedReason;
pub(crate) use self::snapshot::{Cooldown, Snapshot, daily_usage};
