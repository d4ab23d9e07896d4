//! The command line.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpStream;
use whim_runtime::process::{ShimArguments, keep};
use whim_service::environment::{ConfigError, Configured, Environment};
use whim_service::healthcheck::ask;
use whim_service::program::{parse_arguments, print_settings, protect_memory, refuse, write_ready_file};
use whim_service::signal::EndSignals;
use whim_service::supervisor::Supervisor;
use whim_service::telemetry;

use crate::PROGRAM;
use crate::config::{Config, healthcheck_address, read_for_migrations};
use crate::http::openapi;
use crate::listeners::{Listeners, reachable};
use crate::migrate::migrate;
use crate::serve::{self, STOP_DEADLINE};

/// Whim's orchestrator: queue, workers, limits and HTTP API
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArguments,
}

#[derive(Debug, Args)]
struct ServeArguments {
    /// Write the addresses as JSON to this file once all listeners are ready
    #[arg(long, value_name = "PATH", global = true)]
    ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the orchestrator (the default)
    Serve,
    /// Apply the missing migrations to DATABASE_URL
    Migrate,
    /// Exit with 0 if the running orchestrator is healthy, else with 1
    Healthcheck,
    /// Work with the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the OpenAPI document of this version
    Openapi,
    /// Supervise one worker process: used by the orchestrator itself
    #[command(hide = true)]
    KeepAttempt(ShimArguments),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate and print all settings without starting anything; exit with 64 if one is wrong
    Check,
}

/// Runs the program with the arguments and the environment of this process.
pub fn main() -> ExitCode {
    let CommandLine { command, serve } = match parse_arguments(&Config::settings()) {
        Ok(command_line) => command_line,
        Err(code) => return code,
    };
    match command {
        // The shim has the environment of its worker, and no configuration.
        Some(Command::KeepAttempt(arguments)) => finish(block_on_small(keep(arguments, std::env::vars_os()))),
        Some(Command::Serve) | None => {
            configured(Config::from_environment, |config| block_on(run(config, serve)))
        }
        Some(Command::Config {
            command: ConfigCommand::Check,
        }) => configured(Config::from_environment, |configured| {
            print_settings(&configured.effective).context("printing the settings")
        }),
        Some(Command::Migrate) => configured(read_for_migrations, |Configured { config, .. }| {
            let (telemetry, database) = config;
            block_on_small(async move {
                telemetry::init(PROGRAM, &telemetry)?;
                migrate(&database).await?;
                tracing::info!("all migrations are applied");
                Ok(())
            })
        }),
        Some(Command::Openapi) => {
            let written = std::io::stdout().write_all(openapi::text().as_bytes());
            finish(written.context("printing the document"))
        }
        Some(Command::Healthcheck) => configured(healthcheck_address, |Configured { config, .. }| {
            block_on_small(healthcheck(config))
        }),
    }
}

/// Runs with the settings that `read` takes from the environment of this process.
fn configured<Settings>(
    read: impl FnOnce(Environment) -> Result<Configured<Settings>, ConfigError>,
    run: impl FnOnce(Configured<Settings>) -> anyhow::Result<()>,
) -> ExitCode {
    match read(Environment::from_process()) {
        Ok(configured) => finish(run(configured)),
        Err(error) => refuse(PROGRAM, &error),
    }
}

fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _written = writeln!(std::io::stderr(), "{PROGRAM}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build();
    runtime.context("starting the threads")?.block_on(work)
}

/// Half of the CPUs, because Postgres, Redis and workers run beside the orchestrator. An idle thread is woken by most
/// requests to poll for more work, which costs a request more than its own work (docs/benchmarks.md).
fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get().div_ceil(2))
}

/// For what needs one thread: a shim lives as long as its worker and should use little memory.
fn block_on_small(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("starting the thread")?.block_on(work)
}

async fn run(configured: Configured<Config>, arguments: ServeArguments) -> anyhow::Result<()> {
    let Configured { config, effective } = &configured;
    let telemetry = telemetry::init(PROGRAM, &config.telemetry)?;
    protect_memory();
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, "starting {PROGRAM} {version}; set: {effective}");
    // From here on, a signal starts an orderly stop.
    let signals = EndSignals::listen().context("listening for signals")?;
    let runtime = serve::open_runtime(config).await?;
    let listeners = Listeners::bind(&config.api).await?;
    let addresses = listeners.addresses()?;

    let supervisor = Supervisor::new();
    serve::start(
        configured,
        runtime,
        listeners,
        Some(telemetry.levels),
        &supervisor,
    )
    .await?;
    tracing::info!(api = %addresses.api, worker_api = %addresses.worker_api, "listening");
    if let Some(path) = &arguments.ready_file {
        write_ready_file(path, &addresses).with_context(|| format!("writing {}", path.display()))?;
    }
    let report = supervisor.run(signals, STOP_DEADLINE).await;
    let (elapsed_ms, unfinished) = (report.elapsed.as_millis(), report.unfinished.join(", "));
    tracing::info!(elapsed_ms, unfinished, "stopped; running workers go on");
    report.into_result()
}

async fn healthcheck(address: SocketAddr) -> anyhow::Result<()> {
    let address = reachable(address);
    ask("/health", TcpStream::connect(address))
        .await
        .with_context(|| format!("checking the health of the orchestrator at {address}"))
}
