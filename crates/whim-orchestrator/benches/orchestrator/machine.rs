//! Description of the machine and its servers.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use procfs::CurrentSI as _;
use procfs::process::Process;
use sqlx::PgPool;
use whim_testkit::tools::workspace_root;

use crate::samples::Samples;

/// Postgres settings that influence the results.
const POSTGRES_SETTINGS: [&str; 5] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "autovacuum",
];

pub(crate) async fn describe(database: &PgPool) -> anyhow::Result<Vec<(&'static str, String)>> {
    let cores = std::thread::available_parallelism().context("counting the processors")?;
    let processor = field("/proc/cpuinfo", "model name")?;
    let memory = field("/proc/meminfo", "MemTotal")?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let version: String = sqlx::query_scalar("show server_version")
        .fetch_one(database)
        .await?;
    let mut settings = Vec::new();
    for name in POSTGRES_SETTINGS {
        let value: String = sqlx::query_scalar("select current_setting($1)")
            .bind(name)
            .fetch_one(database)
            .await?;
        settings.push(format!("{name} {value}"));
    }
    let sync = time_of_sync()?;
    let milliseconds = |percent| sync.percentile(percent).as_secs_f64() * 1000.0;
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Ok(vec![
        ("Commit", commit()?),
        ("Build", build.to_owned()),
        (
            "Machine",
            format!(
                "{cores} processors ({processor}), {memory}, Linux {}",
                kernel.trim()
            ),
        ),
        ("Load before the run", load),
        ("Postgres", format!("{version}, {}", settings.join(", "))),
        (
            "fsync of 8 KiB",
            format!("p50 {:.2} ms, p99 {:.2} ms", milliseconds(50), milliseconds(99)),
        ),
    ])
}

/// The measured commit, with `-dirty` for uncommitted changes.
fn commit() -> anyhow::Result<String> {
    let described = Command::new("git")
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(workspace_root())
        .output()
        .context("running git describe")?;
    Ok(String::from_utf8_lossy(&described.stdout).trim().to_owned())
}

/// Lower bound of a commit: one write and fsync.
fn time_of_sync() -> anyhow::Result<Samples> {
    const TIMES: usize = 100;
    // On the file system of the Postgres data directory.
    let mut file = tempfile::tempfile_in("/var/tmp").context("creating a file next to the Postgres data")?;
    let begin = Instant::now();
    let mut times: Vec<Duration> = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        file.write_all(&[0; 8192])?;
        let written = Instant::now();
        file.sync_data()?;
        times.push(written.elapsed());
    }
    Ok(Samples::new(times, begin.elapsed()))
}

/// First value of `name` in a file of `name: value` lines.
fn field(file: &str, name: &str) -> anyhow::Result<String> {
    let content = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
    let value = content
        .lines()
        .find_map(|line| line.strip_prefix(name)?.split_once(':'))
        .map(|(_, value)| value.trim().to_owned());
    value.with_context(|| format!("no field {name} in {file}"))
}

/// Resident memory of a process in megabytes.
pub(crate) fn resident_megabytes(process: u32) -> anyhow::Result<f64> {
    let kilobytes = field(&format!("/proc/{process}/status"), "VmRSS")?;
    let kilobytes: f64 = kilobytes.trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}

/// CPU time that was used up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuTime {
    at: Instant,
    /// Of one process.
    program: Duration,
    /// Of everything on the machine.
    machine: Duration,
}

/// Shares of one CPU and of all CPUs, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuShares {
    pub(crate) program: f64,
    pub(crate) machine: f64,
}

impl CpuTime {
    pub(crate) fn read(process: u32) -> anyhow::Result<Self> {
        let ticks = |ticks: u64| Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64);
        let program = Process::new(i32::try_from(process)?)?.stat()?;
        let total = procfs::KernelStats::current()?.total;
        Ok(Self {
            at: Instant::now(),
            program: ticks(program.utime + program.stime),
            machine: ticks(
                total.user + total.nice + total.system + total.irq.unwrap_or(0) + total.softirq.unwrap_or(0),
            ),
        })
    }

    pub(crate) fn since(&self, before: &Self) -> anyhow::Result<CpuShares> {
        let elapsed = (self.at - before.at).as_secs_f64();
        let cpus = std::thread::available_parallelism()?.get() as f64;
        Ok(CpuShares {
            program: (self.program - before.program).as_secs_f64() / elapsed * 100.0,
            machine: (self.machine - before.machine).as_secs_f64() / (elapsed * cpus) * 100.0,
        })
    }
}
