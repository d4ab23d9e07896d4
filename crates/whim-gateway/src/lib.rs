#![doc = include_str!("../README.md")]

pub mod app;
mod attempts;
pub mod cli;
pub mod config;
mod credential;
pub mod egress;
mod git;
mod github;
mod hosts;
mod http;
mod metrics;
mod model;
mod refusal;
mod upstream;

pub use metrics::FAMILIES as METRIC_FAMILIES;
