//! What every long-running Whim program shares: telemetry, signals, supervised tasks, reconcilers, the admin port.
//!
//! Nothing in here knows what Whim does. Read in this order: [`environment`] (configuration), [`telemetry`],
//! [`signal`] and [`supervisor`] (how a program lives and ends), [`reconcile`] (what it does periodically),
//! [`readiness`] and [`admin`] (what it says about itself), then the small parts.

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
pub mod repeated_failure;
pub mod secret;
pub mod signal;
pub mod supervisor;
pub mod telemetry;
