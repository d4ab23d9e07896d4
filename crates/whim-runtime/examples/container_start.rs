//! Measures how long the `docker` runtime takes from a claimed item to a running container, for `docs/benchmarks.md`.
//!
//! `cargo run --release --example container_start -- IMAGE [STARTS]`, with the engine of `DOCKER_HOST`. What it starts
//! it removes, but for the network `whim-benchmark`.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_runtime::docker::DockerRuntime;
use whim_runtime::{Credential, Runtime as _, RuntimeConfig, WorkerSpec};
use whim_service::environment::Environment;
use whim_service::secret::SecretString;

const STARTS: usize = 30;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let image = arguments.next().context("the name of an image is missing")?;
    let starts: usize = arguments.next().map_or(Ok(STARTS), |starts| starts.parse())?;
    let directory = tempfile::tempdir()?;
    let workspaces = directory.path().to_string_lossy().into_owned();
    let host = std::env::vars().find(|(name, _)| name == "DOCKER_HOST");
    let settings = [
        ("WORKER_IMAGE", image.as_str()),
        ("WORKSPACES_DIR", workspaces.as_str()),
        ("WORKER_NETWORK", "whim-benchmark"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::from_pairs(settings.into_iter().chain(host));
    let config = environment.build(|env| Some(RuntimeConfig::read(env)))?.config;
    let runtime = DockerRuntime::open(&config)?;

    // The first makes the network and connects.
    start(&runtime).await?;
    let mut times = Vec::new();
    for _ in 0..starts {
        times.push(start(&runtime).await?);
    }
    runtime.clean(Duration::ZERO).await?;
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)].as_millis();
    let (p50, p95) = (at(50), at(95));
    writeln!(
        std::io::stdout(),
        "{starts} starts of {image}: p50 {p50} ms, p95 {p95} ms"
    )?;
    Ok(())
}

async fn start(runtime: &DockerRuntime) -> anyhow::Result<Duration> {
    let worker_id = WorkerId::new();
    let spec = WorkerSpec {
        worker_id,
        work_item_id: WorkItemId::new(),
        repo: RepoName::parse("acme/shop")?,
        epoch: LeaseEpoch::from_number(1),
        environment: [("TEST_SCRIPT".to_owned(), "sleep 1000".to_owned())].into(),
        credentials: vec![Credential {
            file_name: "worker-token",
            secret: SecretString::from("unused"),
        }],
    };
    let begin = Instant::now();
    runtime.start(spec).await?;
    let elapsed = begin.elapsed();
    runtime.stop(worker_id).await?;
    Ok(elapsed)
}
