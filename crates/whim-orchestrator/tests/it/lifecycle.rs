//! From the registration of a worker to its end.

mod fencing;
mod heartbeats;
mod invariants;
mod protocol;
mod reconcile;
mod reports;
mod state_machine;
