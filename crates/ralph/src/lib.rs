//! The loop: one fresh coding agent per iteration until every box of SPEC.md is ticked.
//!
//! `ralph` knows nothing of its caller but what `ralph-contract` says: events on standard output, exit codes, and the
//! rules of SPEC.md. State lives in files and in git; an agent remembers nothing of the one before it.
//!
//! It runs on Linux, because ending every descendant of an agent takes a subreaper and `/proc`.

mod agent;
mod cli;
mod environment;
mod git;
mod harness;
mod init;
mod lines;
mod output;
mod process;
mod prompt;
mod provider;
mod report;
mod run;
mod spec;
mod spec_file;
mod stop;
mod stream;
mod supervise;
mod text;
mod validate;
mod verdict;

use std::ffi::{OsStr, OsString};

use anyhow::Context as _;
use clap::Parser as _;
use ralph_contract::{Event, ExitCode, Failed, SpecGenerationFailed};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use self::cli::{Arguments, Command, Surroundings};
use self::output::Output;
use self::stop::{Signals, Stop, StopReason};

/// Runs the program with the arguments of the command line, its own name first.
///
/// Call it on the main thread: see [`end_with_parent`].
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::try_parse_from(arguments) {
        Ok(arguments) => command(arguments.command).unwrap_or_else(|error| {
            output::print_error(&error);
            ExitCode::Error
        }),
        Err(error) => {
            // Nobody can be told when printing fails. Clap's own exit code for wrong usage is our "iterations used up".
            let _printed = error.print();
            if error.use_stderr() {
                ExitCode::Error
            } else {
                ExitCode::Complete
            }
        }
    }
}

fn command(command: Command) -> anyhow::Result<ExitCode> {
    let surroundings = Surroundings {
        directory: std::env::current_dir().context("finding the current directory")?,
        variables: std::env::vars_os().collect(),
    };
    match command {
        Command::Run(arguments) => {
            let stage = Stage::new(arguments.is_headless(), &surroundings);
            stage.perform(async {
                match arguments.into_options(surroundings) {
                    Ok(options) => {
                        let output = stage.output(options.agent.environment.secrets());
                        run::run(&options, &output, &stage.stop).await
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        stage.output(Vec::new()).event(&Event::Failed(Failed { error }));
                        ExitCode::Error
                    }
                }
            })
        }
        Command::Spec(arguments) => {
            let stage = Stage::new(arguments.is_headless(), &surroundings);
            stage.perform(async {
                match arguments.into_options(surroundings) {
                    Ok(options) => {
                        let output = stage.output(options.agent.environment.secrets());
                        spec::spec(&options, &output, &stage.stop).await
                    }
                    Err(error) => {
                        let failed = SpecGenerationFailed {
                            error: format!("{error:#}"),
                        };
                        stage
                            .output(Vec::new())
                            .event(&Event::SpecGenerationFailed(failed));
                        ExitCode::Error
                    }
                }
            })
        }
        Command::Validate(argument) => validate::validate(&surroundings.directory, argument.path.as_deref()),
        Command::Init(argument) => init::init(&surroundings.directory, argument.path.as_deref()),
    }
}

/// What a command that starts agents stands on.
struct Stage {
    stop: Stop,
    is_headless: bool,
    is_plain: bool,
}

impl Stage {
    fn new(is_headless: bool, surroundings: &Surroundings) -> Self {
        Self {
            stop: Stop::default(),
            is_headless,
            is_plain: is_plain(&surroundings.variables),
        }
    }

    fn output(&self, secrets: Vec<String>) -> Output<'_> {
        if self.is_headless {
            Output::headless(secrets, &self.stop)
        } else {
            Output::human(self.is_plain, secrets, &self.stop)
        }
    }

    /// Runs `work` to its end; signals become requests to stop.
    fn perform(&self, work: impl Future<Output = ExitCode>) -> anyhow::Result<ExitCode> {
        // One thread: it is the parent of every agent, and lives as long as we do.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the runtime")?;
        runtime.block_on(async {
            let signals = Signals::install().context("taking over the signals")?;
            if self.is_headless {
                end_with_parent(&self.stop)?;
            }
            tokio::select! {
                code = Box::pin(work) => Ok(code),
                never = signals.pass_on_to(&self.stop) => match never {},
            }
        })
    }
}

/// Asks the kernel for SIGTERM when our parent dies, even of SIGKILL: it would otherwise leave the agent running.
///
/// The kernel means the parent's *thread*: whoever starts `ralph --headless` does so from a thread that lives as long
/// as it wants the run to last. And it notes the request at *our* thread, which is why this runs on the main one.
fn end_with_parent(stop: &Stop) -> anyhow::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))
        .context("asking for a signal when the parent dies")?;
    if getppid() != parent {
        // It died before we asked.
        stop.request(StopReason::Signal("SIGTERM"));
    }
    Ok(())
}

/// Whether the environment asks for text without colours: <https://no-color.org>, or a terminal that has none.
fn is_plain(variables: &[(OsString, OsString)]) -> bool {
    variables.iter().any(|(name, value)| {
        (name == OsStr::new("NO_COLOR") && !value.is_empty())
            || (name == OsStr::new("TERM") && value == OsStr::new("dumb"))
    })
}
