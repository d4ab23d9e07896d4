#![doc = include_str!("../README.md")]

mod access;
pub mod app;
pub mod assets;
pub mod cli;
pub mod config;
mod error;
mod http;
mod metrics;
mod upstream;

pub use self::metrics::FAMILIES as METRIC_FAMILIES;
