//! Faults of the services that the orchestrator depends on (docs/faults.md).

mod clock;
mod disk;
mod fleet;
mod orchestrators;
mod postgres;
