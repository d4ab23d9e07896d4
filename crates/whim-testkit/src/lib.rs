#![doc = include_str!("../README.md")]

pub mod anthropic;
pub mod api_document;
mod background;
pub mod disk;
pub mod documents;
pub mod engine;
mod fault;
pub mod git;
pub mod github;
pub mod invariants;
mod journal;
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

pub use self::process::{free_port, free_port_of};
