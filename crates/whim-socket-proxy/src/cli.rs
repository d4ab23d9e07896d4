//! The command line.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use whim_service::environment::{Configured, Environment};
use whim_service::healthcheck::ask;
use whim_service::program::{parse_arguments, refuse, write_ready_file};
use whim_service::signal::EndSignals;
use whim_service::supervisor::Supervisor;
use whim_service::telemetry;

use crate::config::Config;
use crate::proxy;

const PROGRAM: &str = "whim-socket-proxy";

const STOP_DEADLINE: Duration = Duration::from_secs(2);

/// Filters calls to the container engine: allows what the orchestrator does with worker containers, and nothing else
#[derive(Debug, Parser)]
#[command(name = PROGRAM, version)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    /// Socket for the orchestrator
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/run/whim/engine/docker.sock",
        global = true
    )]
    listen: PathBuf,
    /// Write this file once the socket is ready
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Query the container engine through the running proxy: exit code 0 if it answers, else 1
    Healthcheck,
}

/// Runs the program: 0 after an orderly stop, 64 for a wrong setting or argument, 1 for everything else.
pub fn main() -> ExitCode {
    let CommandLine {
        command,
        listen,
        ready_file,
    } = match parse_arguments(&Environment::settings_of(Config::read)) {
        Ok(command_line) => command_line,
        Err(code) => return code,
    };
    let result = match command {
        Some(Command::Healthcheck) => healthcheck(&listen),
        None => match Environment::from_process().build(Config::read) {
            Ok(configured) => run(configured, &listen, ready_file.as_deref()),
            Err(error) => return refuse(PROGRAM, &error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a standard error, the exit code says it all the same.
            let _told = writeln!(io::stderr(), "{PROGRAM}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(configured: Configured<Config>, socket: &Path, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let Configured { config, effective } = configured;
    telemetry::init(PROGRAM, &config.telemetry)?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, "starting {PROGRAM} {version}; set: {effective}");
    let signals = EndSignals::listen().context("listening for signals")?;
    let listener = listen(socket).with_context(|| format!("listening at {}", socket.display()))?;
    let supervisor = Supervisor::new();
    supervisor.critical("proxy", proxy::serve(listener, config.proxy, supervisor.token()));
    if let Some(path) = ready_file {
        write_ready_file(path, &json!({})).with_context(|| format!("writing {}", path.display()))?;
    }
    supervisor.run(signals, STOP_DEADLINE).await.into_result()
}

/// Whoever reaches the directory may connect: the proxy and the orchestrator run as different users, and nobody else
/// has the directory. One that an earlier run left is replaced in one step.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&unfinished)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o666))?;
    fs::rename(&unfinished, path)?;
    Ok(listener)
}

#[tokio::main(flavor = "current_thread")]
async fn healthcheck(socket: &Path) -> anyhow::Result<()> {
    ask("/_ping", UnixStream::connect(socket))
        .await
        .with_context(|| format!("asking at {}", socket.display()))
}
