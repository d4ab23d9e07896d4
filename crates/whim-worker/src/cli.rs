//! From the command line to the exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, Command, value_parser};
use whim_core::{BranchName, RepoName};
use whim_service::environment::{Configured, Environment};
use whim_service::process::{become_subreaper, descendants};
use whim_service::program::{EXIT_USAGE, protect_memory, refuse};
use whim_service::signal::EndSignals;
use whim_service::telemetry;

use crate::config::Config;
use crate::credentials::Credentials;
use crate::locks::hook;
use crate::outcome::Ending;
use crate::policy;
use crate::preflight::command::{self as preflight, CommandConfig};
use crate::run::run_attempt;

const PROGRAM: &str = "whim-worker";
const SERVICE: &str = "worker";

const HOOK_DIRECTORY: &str = "DIRECTORY";
const HOOK_TIMEOUT: &str = "SECONDS";

const PREFLIGHT_REPO: &str = "OWNER/REPO";
const PREFLIGHT_BASE: &str = "BRANCH";

const POLICY_CHECK: &str = "check";
const POLICY_PATH: &str = "PATH";

/// A worker mostly waits for I/O.
const RUNTIME_THREADS: usize = 2;

/// Limit on killing the remaining descendants before the program exits.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(5);
const CLEANUP_POLL_INTERVAL: Duration = Duration::from_millis(20);

pub fn run() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // clap reports `--help` and `--version` as errors too. If the output is closed, the exit code remains.
            error.print().ok();
            return if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    if let Some((hook::SUBCOMMAND, arguments)) = matches.subcommand()
        && let Some(directory) = arguments.get_one::<PathBuf>(HOOK_DIRECTORY)
        && let Some(timeout) = arguments.get_one::<Duration>(HOOK_TIMEOUT)
    {
        return hook::lock_before_edit(directory, *timeout);
    }
    if let Some((policy::check::SUBCOMMAND, arguments)) = matches.subcommand() {
        return match arguments.subcommand() {
            Some((POLICY_CHECK, arguments)) => {
                let path = arguments.get_one::<PathBuf>(POLICY_PATH);
                policy::check::check(path.map_or(Path::new("."), PathBuf::as_path))
            }
            _ => policy::check::print_schema(),
        };
    }
    if let Some((preflight::SUBCOMMAND, arguments)) = matches.subcommand()
        && let Some(repo) = arguments.get_one::<RepoName>(PREFLIGHT_REPO)
    {
        let base = arguments.get_one::<BranchName>(PREFLIGHT_BASE);
        return match Environment::from_process().build(CommandConfig::read) {
            Ok(configured) => preflight::run(configured.config, repo.clone(), base.cloned()),
            Err(error) => refuse(PROGRAM, &error),
        };
    }
    let config = match Environment::from_process().build(Config::read) {
        Ok(config) => config,
        Err(error) => return refuse(PROGRAM, &error),
    };
    match start(config) {
        Ok(ending) => ending.into(),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the worker failed: {error:#}");
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
        .subcommand(policy_command())
        .subcommand(preflight_command())
        .disable_help_subcommand(true)
        .after_help(format!(
            "Environment:\n{}\n\nExit codes:\n{}",
            settings.join("\n"),
            codes.join("\n")
        ))
}

/// Run by the agent's harness, not by people.
fn hook_command() -> Command {
    let timeout = |text: &str| -> Result<Duration, String> {
        let seconds: f64 = text
            .parse()
            .map_err(|_| "expected a number of seconds".to_owned())?;
        Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
    };
    Command::new(hook::SUBCOMMAND)
        .hide(true)
        .about("Requests the lock of the file named on standard input from the worker")
        .arg(
            Arg::new(HOOK_DIRECTORY)
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(Arg::new(HOOK_TIMEOUT).required(true).value_parser(timeout))
}

fn policy_command() -> Command {
    let codes = policy::check::EXIT_CODES.map(|(code, meaning)| format!("  {code:>2}  {meaning}"));
    Command::new(policy::check::SUBCOMMAND)
        .about("Works with the policy of a repository (.whim/config.yml)")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(
            Command::new(POLICY_CHECK)
                .about("Checks a policy")
                .arg(
                    Arg::new(POLICY_PATH)
                        .help("The file, or the root of the repository [default: the current directory]")
                        .value_parser(value_parser!(PathBuf)),
                )
                .after_help(format!("Exit codes:\n{}", codes.join("\n"))),
        )
        .subcommand(Command::new("schema").about("Prints the JSON schema"))
}

fn preflight_command() -> Command {
    let settings = Environment::settings_of(CommandConfig::read);
    let settings: Vec<String> = settings.iter().map(|setting| format!("  {setting}")).collect();
    let codes = preflight::EXIT_CODES.map(|(code, meaning)| format!("  {code:>2}  {meaning}"));
    Command::new(preflight::SUBCOMMAND)
        .about("Examines whether an agent can work on a repository, from where workers run. Changes nothing")
        .arg(
            Arg::new(PREFLIGHT_REPO)
                .required(true)
                .help("The repository at GitHub")
                .value_parser(|text: &str| RepoName::parse(text)),
        )
        .arg(
            Arg::new(PREFLIGHT_BASE)
                .long("base")
                .help("Base of the pull request [default: that of the policy, else the default branch]")
                .value_parser(|text: &str| BranchName::parse(text)),
        )
        .after_help(format!(
            "Environment:\n{}\n\nExit codes:\n{}",
            settings.join("\n"),
            codes.join("\n")
        ))
}

fn start(configured: Configured<Config>) -> anyhow::Result<Ending> {
    let Configured { config, effective } = configured;
    telemetry::init(SERVICE, &config.telemetry).context("setting up the log")?;
    if config.protect_memory {
        protect_memory();
    }
    // Before any child process starts, so that none of them can read the files.
    let credentials = Credentials::take(&config.credentials_dir)?;
    let config = config.with_credentials(&credentials);
    tracing::info!("starting with {effective}");
    become_subreaper().context("becoming a subreaper")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let mut signals = EndSignals::listen().context("listening for signals")?;
        let ending = tokio::select! {
            // A signal takes precedence: its sender decides about the work item.
            biased;
            signal = signals.next() => {
                tracing::info!(%signal, "stopping on {signal}");
                Ok(Ending::Interrupted)
            }
            ending = Box::pin(run_attempt(&config, credentials)) => ending,
        };
        // Dropped futures kill their children. This catches processes that were forked at that moment.
        kill_descendants().await;
        if let Ok(ending) = &ending {
            tracing::info!(code = ending.code(), "finished: {}", ending.description());
        }
        ending
    })
}

async fn kill_descendants() {
    let cleanup = tokio::time::timeout(CLEANUP_TIMEOUT, async {
        loop {
            let living = descendants(std::process::id()).unwrap_or_default();
            if living.is_empty() {
                return;
            }
            for process in living {
                if let Err(error) = process.signal(whim_service::process::Signal::KILL) {
                    tracing::warn!(pid = process.pid, %error, "failed to kill a process");
                }
            }
            tokio::time::sleep(CLEANUP_POLL_INTERVAL).await;
        }
    });
    if cleanup.await.is_err() {
        tracing::error!("processes of the attempt are still running");
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
