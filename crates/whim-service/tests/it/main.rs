//! Behaviour of the service parts, through their public interfaces.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test")]

mod admin;
mod backoff;
mod environment;
mod lines;
mod process;
mod program;
mod readiness;
mod reconcile;
mod run_bounded;
mod secret;
mod supervisor;
mod telemetry;
