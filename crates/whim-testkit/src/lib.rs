#![doc = include_str!("../README.md")]

pub mod anthropic;
mod background;
pub mod disk;
pub mod documents;
pub mod engine;
pub mod git;
pub mod github;
pub mod invariants;
mod openapi;
pub mod orchestrator;
mod path_template;
pub mod postgres;
mod process;
pub mod proxy;
pub mod redis;
mod server;
pub mod services;
pub mod tools;
pub mod wait;
pub mod worker_fixture;

pub use self::process::free_port;
