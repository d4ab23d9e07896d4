//! The repair of a fault.

use whim_service::process::ProcessIdentity;

/// Indices are those of the orchestrators and of their connections.
#[derive(Debug)]
pub(super) enum Repair {
    StartOrchestrator(usize),
    ResumeOrchestrator(usize),
    ResumeProcess(ProcessIdentity),
    StartPostgres,
    StartRedis,
    HealConnection(usize),
}
