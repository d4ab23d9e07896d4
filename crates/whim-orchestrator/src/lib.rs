//! The queue, the worker lifecycle, limits, locks and the HTTP interface.

pub mod admission;
pub mod app;
pub mod batch_writer;
pub(crate) mod breakers;
pub mod cli;
pub mod config;
pub mod costs;
pub(crate) mod daily_metrics;
pub mod db;
pub mod dispatch;
pub mod error;
pub mod events;
pub mod history;
pub mod http;
pub mod in_flight;
pub mod intake_access;
pub mod intake_activity;
pub mod learnings;
pub mod lifecycle;
pub mod limits;
pub mod listeners;
pub mod locks;
pub mod metrics;
pub mod migrate;
pub mod queue_sampler;
pub mod reconcile;
pub mod redis_connection;
pub mod serve;
pub mod status;
pub(crate) mod validate;
pub mod wakers;
pub mod work;

/// The name in logs, metrics, messages and Postgres.
pub(crate) const PROGRAM: &str = env!("CARGO_PKG_NAME");
