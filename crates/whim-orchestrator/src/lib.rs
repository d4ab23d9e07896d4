//! The queue, the worker lifecycle, limits, locks and the HTTP interface.

pub mod app;
pub mod config;
pub mod db;
pub mod limits;
pub mod locks;
pub mod redis_connection;
pub mod runtime;
