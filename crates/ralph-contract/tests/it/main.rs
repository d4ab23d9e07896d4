//! The public interface of the contract.

mod document;
mod events;
mod exit_codes;
mod hostile;
mod lines;
mod reconcile;
mod spec;
mod submit;
mod tick;
mod validate;
