//! From the command line to the exit code.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, Command, value_parser};
use whim_service::environment::{Configured, Environment};
use whim_service::process::{become_subreaper, descendants};
use whim_service::program::{EXIT_USAGE, refuse};
use whim_service::signal::EndSignals;
use whim_service::telemetry;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::locks::hook;
use crate::outcome::Ending;
use crate::run::run_attempt;

const PROGRAM: &str = "whim-worker";
const SERVICE: &str = "worker";

/// The arguments of the hook's command.
const DESK: &str = "DESK";
const LIMIT: &str = "SECONDS";

/// Most of what a worker does is waiting for others.
const THREADS: usize = 2;

/// How long the processes that were left may take to die.
const SWEEP: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs the program.
pub fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version come this way as well. Without an output there is nobody to tell.
            let _told = error.print();
            return if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if let Some((hook::SUBCOMMAND, asked)) = matches.subcommand()
        && let (Some(desk), Some(limit)) = (asked.get_one::<PathBuf>(DESK), asked.get_one::<Duration>(LIMIT))
    {
        return hook::ask_before_edit(desk, *limit);
    }
    let config = match Environment::from_process().build(Config::read) {
        Ok(config) => config,
        Err(error) => return refuse(PROGRAM, &error),
    };
    match start(config) {
        Ok(ending) => ending.into(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the worker cannot go on: {error:#}");
            Ending::Unreported.into()
        }
    }
}

fn command() -> Command {
    let settings = Environment::settings_of(Config::read);
    let settings: Vec<String> = settings.iter().map(|setting| format!("  {setting}")).collect();
    let codes = Ending::EXIT_CODES.map(|(code, meaning)| format!("  {code:>2}  {meaning}"));
    Command::new(PROGRAM)
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Works on one item of the orchestrator, which starts it: clone, ralph, tests, push, pull request",
        )
        .subcommand(hook_command())
        .disable_help_subcommand(true)
        .after_help(format!(
            "Environment:\n{}\n\nExit codes:\n{}",
            settings.join("\n"),
            codes.join("\n")
        ))
}

/// What the agent's harness runs; not for people.
fn hook_command() -> Command {
    let limit = |text: &str| -> Result<Duration, String> {
        let seconds: f64 = text
            .parse()
            .map_err(|_| "expected a number of seconds".to_owned())?;
        Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
    };
    Command::new(hook::SUBCOMMAND)
        .hide(true)
        .about("Asks the worker whether the file that standard input names may be edited")
        .arg(Arg::new(DESK).required(true).value_parser(value_parser!(PathBuf)))
        .arg(Arg::new(LIMIT).required(true).value_parser(limit))
}

fn start(configured: Configured<Config>) -> anyhow::Result<Ending> {
    let Configured { config, effective } = configured;
    telemetry::init(SERVICE, &config.telemetry).context("setting up the log")?;
    // Before anything else can run: from now on nobody else can read them.
    let credentials = Credentials::take(&config.credentials_dir)?;
    tracing::info!("starting with {effective}");
    become_subreaper().context("becoming the parent of orphans")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let mut signals = EndSignals::listen().context("listening for signals")?;
        let ending = tokio::select! {
            // A signal wins over everything: whoever sent it decides what becomes of the item.
            biased;
            signal = signals.next() => {
                tracing::info!(%signal, "ending because of {signal}");
                Ok(Ending::Interrupted)
            }
            ending = Box::pin(run_attempt(&config, credentials)) => ending,
        };
        // Whatever was dropped on the way killed what it had started; this is for what was born at that moment.
        end_descendants().await;
        if let Ok(ending) = &ending {
            tracing::info!(code = ending.code(), "ended: {ending:?}");
        }
        ending
    })
}

async fn end_descendants() {
    let swept = tokio::time::timeout(SWEEP, async {
        loop {
            let living = descendants(std::process::id()).unwrap_or_default();
            if living.is_empty() {
                return;
            }
            for process in living {
                if let Err(error) = process.signal(whim_service::process::Signal::KILL) {
                    tracing::warn!(pid = process.pid, %error, "a process cannot be killed");
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    if swept.await.is_err() {
        tracing::error!("processes of the attempt live in spite of everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
}
