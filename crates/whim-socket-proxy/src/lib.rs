//! The socket proxy between the orchestrator and the container engine.
//!
//! Whoever may call the engine is root of its machine. With this proxy in between, a hostile orchestrator can do with the
//! engine what Whim does with it, and no more: run workers, in containers that are exactly as the settings say.
//!
//! What is let through is a short list of calls ([`call`]). Nothing of a request is handed on as it came: path and query
//! are put together anew from what was understood of them, and the body of a container, a volume or a network is the one
//! that [`policy`] makes by itself, from the same settings and by the same functions as the orchestrator. So it does not
//! matter how the engine reads what it gets from others: it gets nothing from others. Containers, volumes and networks
//! that are not of Whim's can neither be seen nor touched.

mod call;
pub mod cli;
pub mod config;
mod engine;
mod policy;
pub mod proxy;
mod query;
mod refusal;
mod tunnel;
