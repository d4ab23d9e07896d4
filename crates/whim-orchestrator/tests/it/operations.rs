//! Settings, the program itself, its schema and its metrics.

mod config;
mod long_transactions;
mod metrics;
pub(crate) mod program;
mod schema;
