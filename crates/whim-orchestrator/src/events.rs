//! Live events: subscribers receive the event log as it grows.
//!
//! [`run`] reads new events from Postgres for all subscribers of this orchestrator, up to the identifier through which
//! the log is complete (see the migration of the events). Live and replayed events are therefore the same, in one order
//! over all orchestrators, without gaps and without repetitions. Redis carries notifications between orchestrators
//! only: without it events are polled. Without subscribers nothing is read.

mod batch;
mod hub;
mod pubsub;
mod subscriber;
mod subscription;

pub use self::batch::Batch;
pub use self::hub::{EventHub, run};
pub use self::pubsub::{listen, publish};
pub use self::subscription::{StreamItem, SubscribeError, subscribe};
