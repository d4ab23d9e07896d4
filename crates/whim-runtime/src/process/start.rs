//! Starting a worker: its directory, its shim, and the shim's answer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::directory::AttemptDirectory;
use super::inner::{Inner, MARKER};
use super::program;
use super::shim::ShimReport;
use super::user::WorkerUser;
use crate::runtime::RuntimeHandle;
use crate::worker_spec::WorkerSpec;

/// How long a shim may take to start a worker.
const START_TIMEOUT: Duration = Duration::from_secs(20);

impl Inner {
    pub(super) async fn start(&self, spec: WorkerSpec) -> anyhow::Result<RuntimeHandle> {
        let worker = spec.worker_id;
        let program = self.checked_worker_program()?;
        self.cache(|cache| cache.starting.insert(worker));
        let directory = self.directory(worker);
        let started = self.start_shim(&spec, &directory, program).await;
        if started.is_err() && directory.path().exists() {
            // The directory stays for its log, but nothing of the worker.
            if let Err(error) = self.end(worker, &directory).await {
                tracing::error!(%worker, error = format!("{error:#}"), "a worker that was not started cannot be ended");
            }
        }
        self.cache(|cache| {
            cache.starting.remove(&worker);
            if started.is_ok() {
                cache.running.insert(worker);
            }
        });
        started
    }

    async fn start_shim(
        &self,
        spec: &WorkerSpec,
        directory: &AttemptDirectory,
        program: &Path,
    ) -> anyhow::Result<RuntimeHandle> {
        let (made, owner, new) = (directory.clone(), self.user.owner(), spec.clone());
        tokio::task::spawn_blocking(move || made.create(&new, owner))
            .await?
            .with_context(|| format!("creating the directory {}", directory.path().display()))?;
        let mut command = Command::new(&self.shim_program);
        command
            .arg("keep-attempt")
            .arg("--directory")
            .arg(directory.path())
            .arg("--grace-milliseconds")
            .arg(self.stop_grace.as_millis().to_string());
        if let Some(owner) = self.user.owner() {
            command
                .arg(format!("--user-id={}", owner.user_id))
                .arg(format!("--group-id={}", owner.group_id));
        }
        command
            .arg("--")
            .arg(program)
            .arg0("whim-orchestrator")
            .env_clear()
            .envs(self.environment(spec, directory))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Dropped without being waited for, it runs on and is reaped by tokio.
        let mut shim = command.spawn().context("starting the shim")?;
        let mut answer = Vec::new();
        if let Some(stdout) = shim.stdout.take() {
            const MOST: u64 = 16 * 1024;
            let mut stdout = stdout.take(MOST);
            let line = async {
                while !answer.ends_with(b"\n") && stdout.read_buf(&mut answer).await? > 0 {}
                anyhow::Ok(())
            };
            timeout(START_TIMEOUT, line)
                .await
                .context("waiting for the shim's answer")?
                .context("reading the shim's answer")?;
        }
        match serde_json::from_slice(&answer) {
            Ok(ShimReport::Started(identity)) => Ok(RuntimeHandle(format!(
                "pid {} started at tick {}",
                identity.pid, identity.start_ticks
            ))),
            Ok(ShimReport::Failed(why)) => bail!(why),
            Err(error) => Err(error).context("understanding the shim's answer"),
        }
    }

    fn environment(&self, spec: &WorkerSpec, directory: &AttemptDirectory) -> BTreeMap<OsString, OsString> {
        let mut environment: BTreeMap<OsString, OsString> = spec
            .environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        for (name, directory) in &self.toolchains {
            environment.entry(name.into()).or_insert_with(|| directory.into());
        }
        let mut set = |name: &str, value: OsString| environment.insert(name.into(), value);
        set(MARKER, spec.worker_id.to_string().into());
        set("PATH", self.path.clone().into());
        set("HOME", directory.home().into());
        set("WORKSPACE_DIR", directory.workspace().into());
        set("CREDENTIALS_DIR", directory.credentials().into());
        if let Some(ralph) = &self.ralph_program {
            set("RALPH_BIN", ralph.into());
        }
        match &self.user {
            WorkerUser::Own => {}
            WorkerUser::Root => {
                set("IS_SANDBOX", "1".into());
            }
            WorkerUser::Other { name, owner: _ } => {
                set("USER", name.into());
                set("LOGNAME", name.into());
            }
        }
        environment
    }

    pub(super) fn checked_worker_program(&self) -> anyhow::Result<&Path> {
        let Some(program) = &self.worker_program else {
            bail!("whim-worker is neither beside this program nor on PATH: set WORKER_BIN");
        };
        if !program::is_executable(program) {
            bail!("there is no program {}: set WORKER_BIN", program.display());
        }
        Ok(program)
    }
}
