//! The queue, the worker lifecycle, limits, locks and the HTTP interface.

pub mod app;
pub mod cli;
pub mod config;
pub mod db;
pub mod dispatch;
pub mod error;
pub mod events;
pub mod http;
pub mod lifecycle;
pub mod limits;
pub mod locks;
pub mod metrics;
pub mod reconcile;
pub mod redis_connection;
pub mod status;
pub mod work;
