//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use whim_service::environment::{Configured, Environment};
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
    /// Written as JSON after the first look at every repository.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
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
    match serve(configured, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "{NAME} ends");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(configured: Configured<Config>, arguments: &Arguments) -> anyhow::Result<()> {
    let Configured { config, effective } = configured;
    let _telemetry = telemetry::init(NAME, &config.telemetry)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), settings = %effective, "{NAME} starts");
    let signals = EndSignals::listen().context("listening for signals")?;
    let supervisor = Supervisor::new();
    app::start(config, &supervisor, arguments.ready_file.as_deref())?;
    supervisor.run(signals, app::STOP_DEADLINE).await.into_result()
}
