//! The contract, as its users see it.

mod events;
mod exit_codes;
mod hostile;
mod lines;
mod reconcile;
mod spec;
mod submit;
mod tick;
mod validate;
