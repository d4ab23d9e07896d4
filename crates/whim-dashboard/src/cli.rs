//! The command line.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use tokio::net::{TcpListener, TcpStream};
use whim_service::environment::{Configured, Environment};
use whim_service::healthcheck::ask;
use whim_service::secret::SecretString;
use whim_service::signal::EndSignals;
use whim_service::supervisor::Supervisor;
use whim_service::{program, telemetry};

use crate::access::hash;
use crate::app::{self, Listeners};
use crate::assets::{Assets, HOW_TO_BUILD};
use crate::config::{Config, MIN_PASSWORD_CHARACTERS};

const NAME: &str = "whim-dashboard";

const MAX_PASSWORD_LINE_BYTES: u64 = 4096;

/// Serves Whim's dashboard, and forwards its requests to the orchestrator
#[derive(Debug, Parser)]
#[command(name = NAME, version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Write the URL as JSON to this path once requests are answered
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Exit with 0 if the running dashboard answers, else with 1
    Healthcheck,
    /// Work with the settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Read a password from standard input and print its hash for DASHBOARD_PASSWORD_HASH
    HashPassword,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Validate and print all settings without starting anything; exit with 64 if one is wrong
    Check,
}

/// Runs the program: 0 after an orderly stop, 64 for a wrong setting or argument, 1 for everything else.
pub fn run() -> ExitCode {
    let arguments: Arguments = match program::parse_arguments(&Environment::settings_of(Config::read)) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    match arguments.command {
        None => configured(Config::read, |configured| {
            serve(configured, arguments.ready_file.as_deref())
        }),
        Some(Command::Config {
            command: ConfigCommand::Check,
        }) => configured(Config::read, |configured| check(&configured)),
        Some(Command::Healthcheck) => {
            let admin_address = |env: &mut Environment| Some(Config::read_admin_address(env));
            configured(admin_address, |configured| healthcheck(configured.config))
        }
        Some(Command::HashPassword) => exit_code(hash_password()),
    }
}

/// Runs with the settings that `read` takes from the environment of this process.
fn configured<Settings>(
    read: impl FnOnce(&mut Environment) -> Option<Settings>,
    run: impl FnOnce(Configured<Settings>) -> anyhow::Result<()>,
) -> ExitCode {
    match Environment::from_process().build(read) {
        Ok(configured) => exit_code(run(configured)),
        Err(error) => program::refuse(NAME, &error),
    }
}

fn exit_code(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "{NAME} ends");
            // Without a standard error, the exit code says it all the same.
            let _unwritable = writeln!(io::stderr(), "{NAME}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(configured: &Configured<Config>) -> anyhow::Result<()> {
    program::print_settings(&configured.effective).context("printing the settings")?;
    if !Assets::built().context("reading the pages")?.are_built() {
        writeln!(io::stderr(), "{HOW_TO_BUILD}").context("writing to standard error")?;
    }
    Ok(())
}

fn hash_password() -> anyhow::Result<()> {
    let mut line = String::new();
    io::stdin()
        .lock()
        .take(MAX_PASSWORD_LINE_BYTES)
        .read_line(&mut line)
        .context("reading the password from standard input")?;
    // As the value of a setting, which is trimmed.
    let password = line.trim();
    let length = password.chars().count();
    ensure!(
        length >= MIN_PASSWORD_CHARACTERS,
        "expected a password of at least {MIN_PASSWORD_CHARACTERS} characters on standard input, not {length}"
    );
    let hash = hash(&SecretString::from(password.to_owned())).context("hashing the password")?;
    writeln!(io::stdout(), "{hash}").context("writing to standard output")
}

#[tokio::main(flavor = "current_thread")]
async fn healthcheck(address: Option<SocketAddr>) -> anyhow::Result<()> {
    let address = address.context("DASHBOARD_ADMIN_PORT is 0: the health check needs the admin port")?;
    ask("/ready", TcpStream::connect(address))
        .await
        .with_context(|| format!("asking {address}"))
}

#[tokio::main]
async fn serve(configured: Configured<Config>, ready_file: Option<&Path>) -> anyhow::Result<()> {
    let Configured { config, effective } = configured;
    let telemetry = telemetry::init(NAME, &config.telemetry)?;
    program::protect_memory();
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, "starting {NAME} {version}; set: {effective}");
    let signals = EndSignals::listen().context("listening for signals")?;
    let supervisor = Supervisor::new();
    let bind = async |address: SocketAddr, setting: &str| {
        let listener = TcpListener::bind(address).await;
        listener.with_context(|| format!("listening on {address} ({setting})"))
    };
    let listeners = Listeners {
        pages: bind(config.address, "DASHBOARD_BIND_ADDRESS and DASHBOARD_PORT").await?,
        admin: match config.admin_address {
            Some(address) => Some((bind(address, "DASHBOARD_ADMIN_PORT").await?, telemetry.levels)),
            None => None,
        },
    };
    let assets = Assets::built().context("reading the pages")?;
    app::start(&config, assets, &supervisor, listeners, ready_file)?;
    supervisor.run(signals, app::STOP_DEADLINE).await.into_result()
}
