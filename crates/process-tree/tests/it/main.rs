//! Behaviour of the crate with real processes. Each test needs a process of its own, as with `cargo nextest`: the
//! attributes and the children that it is about belong to the process.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test")]

mod identity;
mod script;
mod subreaper;
mod tree;
