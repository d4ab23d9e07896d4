//! The socket proxy between the orchestrator and the container engine.
//!
//! Access to the engine's API is equivalent to root on its machine. Behind this proxy, a compromised orchestrator can only
//! run workers, in containers that match the settings exactly.
//!
//! The proxy forwards a short list of calls ([`call`]), and nothing of a request unchanged: path and query are rebuilt
//! from the parsed values, and [`policy`] computes the body of a container, volume or network from the same settings and
//! with the same functions as the orchestrator. So differences between the parsers of proxy and engine cannot be
//! exploited. Containers, volumes and networks without Whim's labels can neither be listed nor changed.

mod call;
pub mod cli;
pub mod config;
mod engine;
mod policy;
pub mod proxy;
mod query;
mod refusal;
mod tunnel;
