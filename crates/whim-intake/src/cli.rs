//! The command line.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::net::{TcpListener, TcpStream};
use whim_service::environment::{Configured, Environment};
use whim_service::healthcheck::ask;
use whim_service::signal::EndSignals;
use whim_service::supervisor::Supervisor;
use whim_service::{program, telemetry};

use crate::app;
use crate::config::Config;

const NAME: &str = "whim-intake";

/// Finds issues that are labelled for Whim, has their specs written, submits them, and shows on the issues how it ended.
#[derive(Debug, Parser)]
#[command(name = NAME, version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Written as JSON after the first look at every repository.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the running intake whether it looked at every repository, and say so with the exit code
    Healthcheck,
}

/// Runs the program: 0 after an orderly stop, 64 for a wrong setting or argument, 1 for everything else.
pub fn run() -> ExitCode {
    let arguments: Arguments = match program::parse_arguments(&Environment::settings_of(Config::read)) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    let configured = match Environment::from_process().build(Config::read) {
        Ok(configured) => configured,
        Err(error) => return program::refuse(NAME, &error),
    };
    match arguments.command {
        None => match serve(configured, arguments.ready_file.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "{NAME} ends");
                ExitCode::FAILURE
            }
        },
        Some(Command::Healthcheck) => match healthcheck(configured.config.admin_address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Without a standard error, the exit code says it all the same.
                let _told = writeln!(io::stderr(), "{NAME}: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}

#[tokio::main(flavor = "current_thread")]
async fn healthcheck(address: Option<SocketAddr>) -> anyhow::Result<()> {
    let address = address.context("INTAKE_ADMIN_PORT is 0: without it there is nobody to ask")?;
    ask("/ready", TcpStream::connect(address))
        .await
        .with_context(|| format!("asking {address}"))
}

#[tokio::main]
async fn serve(configured: Configured<Config>, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let Configured { config, effective } = configured;
    let telemetry = telemetry::init(NAME, &config.telemetry)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), settings = %effective, "{NAME} starts");
    let signals = EndSignals::listen().context("listening for signals")?;
    let supervisor = Supervisor::new();
    let admin = match config.admin_address {
        Some(address) => {
            let listener = TcpListener::bind(address).await;
            let listener = listener.with_context(|| format!("listening on {address} (INTAKE_ADMIN_PORT)"))?;
            Some((listener, telemetry.levels))
        }
        None => None,
    };
    app::start(config, &supervisor, admin, ready_file)?;
    supervisor.run(signals, app::STOP_DEADLINE).await.into_result()
}
