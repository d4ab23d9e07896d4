//! The runtimes, with real processes and a real container engine.

mod docker;
mod process;
mod worker;
