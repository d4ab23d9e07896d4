//! Starts, stops and lists workers.
//!
//! [`Runtime`] is the interface that the orchestrator uses; [`open`] picks the implementation. Each implementation is a
//! module: [`docker`] runs a container for each worker, [`process`] a process of this machine. Another one is a module
//! here, a [`RuntimeKind`] and an arm in `open`.

mod config;
mod disk;
pub mod docker;
mod exit;
mod instance;
mod lines;
mod open;
pub mod process;
mod runtime;
mod worker_spec;

pub use self::config::{RuntimeConfig, RuntimeKind};
pub use self::exit::{Exit, ExitKind};
pub use self::lines::last_lines;
pub use self::open::{WorkerListener, open};
pub use self::runtime::{
    Attempt, AttemptState, Cleaned, LogStream, MissingImage, Runtime, RuntimeError, RuntimeHandle,
};
pub use self::worker_spec::{Credential, WorkerSpec};
