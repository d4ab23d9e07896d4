//! Sends generated requests to a running orchestrator and compares its answers with `openapi.json`: documented requests
//! must be accepted, others refused, and every answer must be documented.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cargo_metadata::MetadataCommand;
use tokio::process::{Child, Command};
use whim_testkit::services::Services;
use whim_testkit::wait::wait_until;

use crate::command::{cargo, run};
use crate::workspace::Workspace;

const API_KEY: &str = "the-api-key-of-the-fuzz-run";
const GATEWAY_KEY: &str = "the-gateway-key-of-the-fuzz-run-with-32-characters";

/// The orchestrator applies its migrations first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether every answer was as documented.
///
/// # Errors
/// schemathesis is not installed, or the orchestrator could not be built or started.
pub async fn passes(workspace: &Workspace) -> anyhow::Result<bool> {
    let root = workspace.root();
    let schemathesis = root.join(".tools/schemathesis/bin/schemathesis");
    ensure!(
        schemathesis.exists(),
        "schemathesis is not installed: run ./scripts/setup.sh"
    );
    let build = ["build", "--quiet", "--package", "whim-orchestrator", "--bins"];
    if !run(cargo(root, build)).await?.success() {
        return Ok(false);
    }
    let services = Services::start().await.context("starting Postgres and Redis")?;
    let database = services.postgres().create_database().await?;
    let directory = tempfile::tempdir().context("creating a directory for the orchestrator")?;
    let orchestrator =
        Orchestrator::start(root, directory.path(), database.url(), services.redis_url()).await?;

    let mut command = Command::new(schemathesis);
    command
        .current_dir(root)
        .arg("--config-file")
        .arg(root.join("xtask/schemathesis.toml"))
        .args(["run", "openapi.json", "--url", &orchestrator.url])
        // Read by the configuration of schemathesis.
        .envs([("API_KEY", API_KEY), ("GATEWAY_KEY", GATEWAY_KEY)]);
    let passed = run(command).await?.success();
    if !passed {
        println!("The log of the orchestrator is in {}", orchestrator.log.display());
        // Kept for the one who reads the message.
        let _kept = directory.keep();
    }
    Ok(passed)
}

/// A program that is killed when this is dropped.
struct Orchestrator {
    url: String,
    log: PathBuf,
    _program: Child,
}

impl Orchestrator {
    /// Starts it without worker slots: items are created and never run.
    async fn start(root: &Path, directory: &Path, database: &str, redis: &str) -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new()
            .current_dir(root)
            .no_deps()
            .exec()
            .context("running cargo metadata")?;
        let program = metadata.target_directory.join("debug/whim-orchestrator");
        let (ready, log) = (directory.join("ready.json"), directory.join("log"));
        let output = std::fs::File::create(&log).context("creating the log of the orchestrator")?;
        let program = Command::new(&program)
            .args(["serve", "--ready-file"])
            .arg(&ready)
            .env_clear()
            .envs([
                ("DATABASE_URL", database),
                ("REDIS_URL", redis),
                ("REDIS_KEY_PREFIX", "fuzz-api"),
                // The orchestrator asks no gateway; gateways ask it.
                ("GATEWAY_URL", "http://127.0.0.1:9"),
                ("GATEWAY_KEY", GATEWAY_KEY),
                ("API_KEY", API_KEY),
                ("PORT", "0"),
                ("WORKER_PORT", "0"),
                ("ADMIN_PORT", "0"),
                ("MAX_WORKERS", "0"),
                ("WORKER_RUNTIME", "process"),
            ])
            .env("WORKSPACES_DIR", directory.join("workspaces"))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(
                output
                    .try_clone()
                    .context("opening the log of the orchestrator")?,
            )
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        let url = wait_until("the orchestrator to be ready", START_TIMEOUT, async || {
            std::fs::read_to_string(&ready)
                .ok()
                .and_then(|text| api_url(&text))
                .ok_or_else(|| format!("see {}", log.display()))
        })
        .await?;
        Ok(Self {
            url,
            log,
            _program: program,
        })
    }
}

/// The field `api` of the ready file.
fn api_url(ready: &str) -> Option<String> {
    let ready: serde_json::Value = serde_json::from_str(ready).ok()?;
    Some(ready["api"].as_str()?.to_owned())
}
