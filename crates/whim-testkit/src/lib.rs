//! Stand-ins for what lives outside Whim, and test worlds with real databases and real git.
//!
//! The stand-ins keep state and refuse nonsense: a request that the real service would refuse is refused here,
//! and is recorded as a fault of the caller's, so that a test which passes says something about the real service.

pub mod anthropic;
mod background;
pub mod disk;
pub mod documents;
pub mod engine;
pub mod git;
pub mod github;
pub mod invariants;
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
