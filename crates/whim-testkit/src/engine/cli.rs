//! The engine's command line.

use std::process::Command;

/// Built by `scripts/ci/docker.sh`: its worker runs the script in the variable `TEST_SCRIPT`.
pub const WORKER_TEST_IMAGE: &str = "whim-worker-test:ci";

/// `DOCKER_HOST`, or the engine's default.
#[expect(
    clippy::disallowed_methods,
    reason = "the engine's own tools read this variable"
)]
pub fn engine_host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

/// The name of a network for the workers of one test, derived from its directory.
pub fn network_of(directory: &str) -> String {
    format!("whim-test{}", directory.replace(['/', '.'], "-"))
}

/// Runs `docker` with the engine of [`engine_host`], and returns what it printed.
///
/// # Panics
/// It failed.
pub fn docker(arguments: &[&str]) -> String {
    docker_at(&engine_host(), arguments)
}

/// Runs `docker` with the engine at `engine`, and returns what it printed.
///
/// # Panics
/// It failed.
pub fn docker_at(engine: &str, arguments: &[&str]) -> String {
    try_docker_at(engine, arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// Like [`docker_at`], for conditions that a test waits for: a container that is being created or removed refuses
/// requests for a moment.
///
/// # Errors
/// `docker` failed; the error has its output.
pub fn try_docker_at(engine: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker")
        .args(arguments)
        .env("DOCKER_HOST", engine)
        .output()
        .map_err(|error| format!("docker {arguments:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("docker {arguments:?}: {output:?}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Everything in an engine with the label of one orchestrator; removed on drop.
#[derive(Debug)]
pub struct EngineGarbage {
    instance: String,
    engine: String,
}

impl EngineGarbage {
    pub fn of(instance: impl Into<String>, engine: &str) -> Self {
        Self {
            instance: instance.into(),
            engine: engine.to_owned(),
        }
    }

    fn remove(&self, list: &[&str], remove: &[&str]) {
        let Self { instance, engine } = self;
        let label = format!("label=whim.instance={instance}");
        let listed = docker_at(engine, &[list, &["--quiet", "--filter", &label]].concat());
        let names: Vec<&str> = listed.lines().collect();
        if !names.is_empty() {
            docker_at(engine, &[remove, &names].concat());
        }
    }
}

impl Drop for EngineGarbage {
    fn drop(&mut self) {
        // The engine may be what failed the test; a second panic would hide the first.
        if std::thread::panicking() && try_docker_at(&self.engine, &["version"]).is_err() {
            return;
        }
        self.remove(&["ps", "--all"], &["rm", "--force", "--volumes"]);
        self.remove(&["volume", "ls"], &["volume", "rm", "--force"]);
        self.remove(&["network", "ls"], &["network", "rm"]);
    }
}
