//! Wakes the background work before its next poll.

use std::sync::Arc;

use tokio::sync::Notify;
use whim_service::reconcile::Activator;

macro_rules! wakers {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// One signal per background task. A signal carries no input: the task reads what to do from the database.
        #[derive(Clone, Debug, Default)]
        pub struct Wakers {
            /// The dispatcher: an item may be claimable, or a slot, budget or cooldown may be free.
            pub dispatch: Arc<Notify>,
            /// The task that notifies the other orchestrators of new items.
            pub announce: Arc<Notify>,
            $(#[doc = $doc] pub $name: Activator,)*
        }

        impl Wakers {
            /// An item was queued and committed: wakes this dispatcher and has the other orchestrators notified.
            pub fn queued(&self) {
                self.dispatch.notify_one();
                self.announce.notify_one();
            }

            /// Wakes every task but `announce`, for use when notifications may have been missed.
            pub fn everything(&self) {
                self.dispatch.notify_one();
                $(self.$name.activate();)*
            }
        }
    };
}

wakers! {
    /// Closes circuit breakers.
    breakers,
    /// Releases due retries.
    retries,
    /// Ends workers whose lease, registration or progress is overdue.
    expired_leases,
    /// Stops processes or containers of ended workers.
    terminate,
    /// Ends workers whose process or container exited.
    reap,
    /// Copies the day's budget to Redis.
    budget,
    /// Compacts the rows that make up the item counts and the daily usage.
    counts,
    /// Releases locks of ended workers and restores those that Redis lost.
    locks,
    /// Removes what the runtime kept of old attempts.
    garbage,
    /// Warns of long transactions in Postgres.
    long_transactions,
    /// Embeds learnings, merges and retires them.
    learnings,
    /// Creates and drops the daily partitions of events and transcripts.
    partitions,
}
