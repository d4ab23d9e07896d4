//! The event log and its live subscribers.

mod live;
mod retention;
mod undecodable;
