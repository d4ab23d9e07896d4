//! `cargo xtask` as it is called.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test")]

mod scripts;
mod with_services;
