//! Injection and repair of faults.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::time::Instant;
use whim_service::process::ProcessIdentity;

use super::repair::Repair;
use super::rig::Rig;
use super::schedule::Fault;

/// An orchestrator that takes longer waits for something that is still broken.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// Longer than a lease.
const SUSPENSION_FACTOR: u32 = 3;

impl Rig {
    /// Injects a fault, unless its target is broken already.
    pub(super) async fn inject(&mut self, fault: Fault, repair_after: Duration) -> anyhow::Result<()> {
        let connections = self.nodes.len() * 3;
        let repair = match fault {
            Fault::KillOrchestrator(which) => {
                let which = which % self.nodes.len();
                if !self.nodes[which].is_running() {
                    return Ok(());
                }
                self.nodes[which].kill().await?;
                Some(Repair::StartOrchestrator(which))
            }
            Fault::StopOrchestrator(which) => {
                let which = which % self.nodes.len();
                if !self.nodes[which].is_running() || self.is_suspended(which) {
                    return Ok(());
                }
                self.nodes[which].stop().await?;
                Some(Repair::StartOrchestrator(which))
            }
            Fault::PauseOrchestrator(which) => {
                let which = which % self.nodes.len();
                if !self.nodes[which].is_running() || self.is_suspended(which) {
                    return Ok(());
                }
                self.nodes[which].signal(Signal::STOP)?;
                Some(Repair::ResumeOrchestrator(which))
            }
            Fault::KillWorker(which) => {
                let Some(process) = self.worker_process(which) else {
                    return Ok(());
                };
                process.signal(Signal::KILL).context("killing a worker")?;
                None
            }
            Fault::PauseWorker(which) => {
                let Some(process) = self.worker_process(which) else {
                    return Ok(());
                };
                process.signal(Signal::STOP).context("suspending a worker")?;
                Some(Repair::ResumeProcess(process))
            }
            Fault::KillBackend => {
                // There is none while Postgres is down.
                if !self.database.terminate_backend().await.unwrap_or(false) {
                    return Ok(());
                }
                None
            }
            Fault::CrashPostgres => {
                self.database.server().stop_immediate().await?;
                Some(Repair::StartPostgres)
            }
            Fault::CrashRedis => {
                self.redis.stop().await?;
                Some(Repair::StartRedis)
            }
            Fault::CutConnection(which) => {
                self.connection(which % connections).cut();
                Some(Repair::HealConnection(which % connections))
            }
            Fault::StallConnection(which) => {
                self.connection(which % connections).half_open();
                Some(Repair::HealConnection(which % connections))
            }
        };
        *self.fault_counts.entry(fault.name()).or_default() += 1;
        let factor = match fault {
            Fault::PauseOrchestrator(_) | Fault::PauseWorker(_) => SUSPENSION_FACTOR,
            Fault::KillOrchestrator(_)
            | Fault::StopOrchestrator(_)
            | Fault::KillWorker(_)
            | Fault::KillBackend
            | Fault::CrashPostgres
            | Fault::CrashRedis
            | Fault::CutConnection(_)
            | Fault::StallConnection(_) => 1,
        };
        let due = Instant::now() + repair_after * factor;
        self.pending_repairs.extend(repair.map(|repair| (due, repair)));
        Ok(())
    }

    /// Performs the repairs that are due.
    pub(super) async fn repair_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.pending_repairs)
            .into_iter()
            .partition(|(due, _)| *due <= now);
        self.pending_repairs = later;
        let due: Vec<(Instant, Repair)> = due;
        for (_, repair) in due {
            self.repair(repair).await?;
        }
        Ok(())
    }

    /// Performs all pending repairs, and starts what is not running.
    pub(super) async fn repair_all(&mut self) -> anyhow::Result<()> {
        // The databases first, because the orchestrators need them to start.
        self.repair(Repair::StartPostgres).await?;
        self.repair(Repair::StartRedis).await?;
        for which in 0..self.nodes.len() * 3 {
            self.connection(which).heal();
        }
        for (_, repair) in std::mem::take(&mut self.pending_repairs) {
            self.repair(repair).await?;
        }
        for which in 0..self.nodes.len() {
            self.nodes[which].start().await?;
        }
        Ok(())
    }

    async fn repair(&mut self, repair: Repair) -> anyhow::Result<()> {
        match repair {
            Repair::StartOrchestrator(which) => {
                let start = tokio::time::timeout(START_TIMEOUT, self.nodes[which].start());
                if !matches!(start.await, Ok(Ok(()))) {
                    // It cannot start while Postgres or the connection to it is broken.
                    let later = Instant::now() + Duration::from_secs(1);
                    self.pending_repairs
                        .push((later, Repair::StartOrchestrator(which)));
                }
                Ok(())
            }
            Repair::ResumeOrchestrator(which) => self.nodes[which].signal(Signal::CONT),
            Repair::ResumeProcess(process) => {
                process.signal(Signal::CONT).context("resuming a worker")?;
                Ok(())
            }
            Repair::StartPostgres => self.database.server().start_again().await,
            Repair::StartRedis => self.redis.start_again().await,
            Repair::HealConnection(which) => {
                self.connection(which).heal();
                Ok(())
            }
        }
    }

    fn is_suspended(&self, which: usize) -> bool {
        self.pending_repairs
            .iter()
            .any(|(_, repair)| matches!(repair, Repair::ResumeOrchestrator(suspended) if *suspended == which))
    }

    fn connection(&self, which: usize) -> &whim_testkit::proxy::Proxy {
        self.nodes[which / 3].connections()[which % 3]
    }

    /// A process of any worker, including shims.
    fn worker_process(&self, which: usize) -> Option<ProcessIdentity> {
        let processes: Vec<ProcessIdentity> = self
            .nodes
            .iter()
            .flat_map(|node| node.worker_processes())
            .filter(is_worker_or_shim)
            .collect();
        (!processes.is_empty()).then(|| processes[which % processes.len()])
    }
}

/// Killing a test or git process would fail the work item itself, which is not what the chaos test checks.
fn is_worker_or_shim(process: &ProcessIdentity) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    name.starts_with("whim-")
}
