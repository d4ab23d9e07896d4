//! Workers from their registration to their termination.

mod deferrals;
mod fencing;
mod heartbeats;
mod invariants;
mod notes;
mod protocol;
mod reconcile;
mod reports;
mod state_machine;
