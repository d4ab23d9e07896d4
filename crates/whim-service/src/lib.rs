#![doc = include_str!("../README.md")]

pub mod admin;
pub mod backoff;
pub mod chain;
pub mod environment;
pub mod healthcheck;
pub mod lines;
pub mod machine;
pub mod metrics;
pub mod process;
pub mod program;
pub mod readiness;
pub mod reconcile;
pub mod secret;
pub mod signal;
pub mod supervisor;
pub mod telemetry;
