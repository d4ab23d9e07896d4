//! How things are broken, and mended.

use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::time::Instant;
use whim_service::process::ProcessIdentity;

use super::rig::Rig;
use super::schedule::Fault;

/// What makes a fault good.
#[derive(Debug)]
pub(super) enum Mend {
    StartOrchestrator(usize),
    ContinueOrchestrator(usize),
    ContinueProcess(ProcessIdentity),
    StartPostgres,
    StartRedis,
    HealLine(usize),
}

/// What takes longer to start waits for something that is broken.
const TIME_TO_START: Duration = Duration::from_secs(5);

/// Pauses go on until leases have ended.
const PAUSES_ARE_LONGER: u32 = 3;

impl Rig {
    /// Breaks something, unless that is broken already.
    pub(super) async fn fault(&mut self, fault: Fault, mended_after: Duration) -> anyhow::Result<()> {
        let lines = self.nodes.len() * 3;
        let mend = match fault {
            Fault::KillOrchestrator(which) => {
                let which = which % self.nodes.len();
                if !self.nodes[which].is_running() {
                    return Ok(());
                }
                self.nodes[which].kill().await?;
                Some(Mend::StartOrchestrator(which))
            }
            Fault::StopOrchestrator(which) => {
                let which = which % self.nodes.len();
                if !self.nodes[which].is_running() || self.is_paused(which) {
                    return Ok(());
                }
                self.nodes[which].stop().await?;
                Some(Mend::StartOrchestrator(which))
            }
            Fault::PauseOrchestrator(which) => {
                let which = which % self.nodes.len();
                if !self.nodes[which].is_running() || self.is_paused(which) {
                    return Ok(());
                }
                self.nodes[which].signal(Signal::STOP)?;
                Some(Mend::ContinueOrchestrator(which))
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
                process.signal(Signal::STOP).context("pausing a worker")?;
                Some(Mend::ContinueProcess(process))
            }
            Fault::KillBackend => {
                // There is none while Postgres is away.
                if !self.database.terminate_backend().await.unwrap_or(false) {
                    return Ok(());
                }
                None
            }
            Fault::CrashPostgres => {
                self.database.server().stop_immediate().await?;
                Some(Mend::StartPostgres)
            }
            Fault::CrashRedis => {
                self.redis.stop().await?;
                Some(Mend::StartRedis)
            }
            Fault::CutLine(which) => {
                self.line(which % lines).cut();
                Some(Mend::HealLine(which % lines))
            }
            Fault::HalfOpenLine(which) => {
                self.line(which % lines).half_open();
                Some(Mend::HealLine(which % lines))
            }
        };
        *self.suffered.entry(fault.name()).or_default() += 1;
        let longer = match fault {
            Fault::PauseOrchestrator(_) | Fault::PauseWorker(_) => PAUSES_ARE_LONGER,
            Fault::KillOrchestrator(_)
            | Fault::StopOrchestrator(_)
            | Fault::KillWorker(_)
            | Fault::KillBackend
            | Fault::CrashPostgres
            | Fault::CrashRedis
            | Fault::CutLine(_)
            | Fault::HalfOpenLine(_) => 1,
        };
        let due = Instant::now() + mended_after * longer;
        self.mends.extend(mend.map(|mend| (due, mend)));
        Ok(())
    }

    /// Makes good what has been broken for long enough.
    pub(super) async fn mend_what_is_due(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.mends)
            .into_iter()
            .partition(|(due, _)| *due <= now);
        self.mends = later;
        let due: Vec<(Instant, Mend)> = due;
        for (_, mend) in due {
            self.mend(mend).await?;
        }
        Ok(())
    }

    /// Makes everything good.
    pub(super) async fn mend_everything(&mut self) -> anyhow::Result<()> {
        // First what the others need in order to start.
        self.mend(Mend::StartPostgres).await?;
        self.mend(Mend::StartRedis).await?;
        for line in 0..self.nodes.len() * 3 {
            self.line(line).heal();
        }
        for (_, mend) in std::mem::take(&mut self.mends) {
            self.mend(mend).await?;
        }
        for which in 0..self.nodes.len() {
            self.nodes[which].start().await?;
        }
        Ok(())
    }

    async fn mend(&mut self, mend: Mend) -> anyhow::Result<()> {
        match mend {
            Mend::StartOrchestrator(which) => {
                let start = tokio::time::timeout(TIME_TO_START, self.nodes[which].start());
                if !matches!(start.await, Ok(Ok(()))) {
                    // While Postgres or the line to it is away it cannot start: later.
                    let later = Instant::now() + Duration::from_secs(1);
                    self.mends.push((later, Mend::StartOrchestrator(which)));
                }
                Ok(())
            }
            Mend::ContinueOrchestrator(which) => self.nodes[which].signal(Signal::CONT),
            Mend::ContinueProcess(process) => {
                process.signal(Signal::CONT).context("continuing a worker")?;
                Ok(())
            }
            Mend::StartPostgres => self.database.server().start_again().await,
            Mend::StartRedis => self.redis.start_again().await,
            Mend::HealLine(which) => {
                self.line(which).heal();
                Ok(())
            }
        }
    }

    fn is_paused(&self, which: usize) -> bool {
        self.mends
            .iter()
            .any(|(_, mend)| matches!(mend, Mend::ContinueOrchestrator(paused) if *paused == which))
    }

    fn line(&self, which: usize) -> &whim_testkit::proxy::Proxy {
        self.nodes[which / 3].lines()[which % 3]
    }

    /// Any process of a worker, its keeper included.
    fn worker_process(&self, which: usize) -> Option<ProcessIdentity> {
        let processes: Vec<ProcessIdentity> = self
            .nodes
            .iter()
            .flat_map(|node| node.worker_processes())
            .filter(is_worker_or_keeper)
            .collect();
        (!processes.is_empty()).then(|| processes[which % processes.len()])
    }
}

/// A test or a `git` that is killed in the middle is the item's own failure, which is another matter.
fn is_worker_or_keeper(process: &ProcessIdentity) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    name.starts_with("whim-")
}
