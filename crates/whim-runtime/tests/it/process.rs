//! The `process` runtime with real processes.

mod attempts;
mod garbage;
mod programs;
mod restarts;
mod world;
