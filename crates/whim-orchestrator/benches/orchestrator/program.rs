//! The real program, as an owner runs it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use tokio::process::{Child, Command};
use whim_testkit::wait::wait_until;

use crate::machine::resident_megabytes;
use crate::world::World;

const PATIENCE: Duration = Duration::from_mins(1);

/// A worker that does nothing until it is ended, and that outlives a benchmark that broke off only for a moment.
const WORKER: &str = "#!/bin/sh\nexec sleep 60\n";

/// A running orchestrator; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    pub(crate) addresses: Addresses,
}

/// Where it listens.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Addresses {
    pub(crate) api: String,
    pub(crate) worker_api: String,
}

impl Program {
    /// Starts it with settings on top of those of the world.
    pub(crate) async fn start(world: &World, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let worker = world.files().join("worker");
        fs::write(&worker, WORKER)?;
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755))?;
        let ready = world.files().join("ready.json");
        // One of a program before would be taken for this one's.
        if ready.exists() {
            fs::remove_file(&ready)?;
        }
        let log_path = world.files().join("orchestrator.log");
        let log = File::create(&log_path)?;
        let child = Command::new(env!("CARGO_BIN_EXE_whim-orchestrator"))
            .arg("--ready-file")
            .arg(&ready)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(world.settings(settings))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting the orchestrator")?;
        let addresses = wait_until("the orchestrator to be ready", PATIENCE, async || {
            let log = || fs::read_to_string(&log_path).unwrap_or_default();
            let content = fs::read(&ready).map_err(|error| format!("{error}; its log: {}", log()))?;
            serde_json::from_slice(&content).map_err(|error| error.to_string())
        })
        .await?;
        Ok(Self { child, addresses })
    }

    /// Its resident memory, in megabytes.
    pub(crate) fn resident_megabytes(&self) -> anyhow::Result<f64> {
        resident_megabytes(self.process()?)
    }

    /// Its process id.
    pub(crate) fn process(&self) -> anyhow::Result<u32> {
        self.child.id().context("the orchestrator has ended")
    }
}
