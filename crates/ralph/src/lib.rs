#![doc = include_str!("../README.md")]

mod agent;
mod ask;
mod cli;
mod content;
mod descendants;
mod environment;
mod git;
mod harness;
mod init;
mod lines;
mod output;
mod process;
mod prompt;
mod provider;
mod repetition;
mod report;
mod review;
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
use ralph_contract::{Event, ExitCode, Failed, IterationStats, ReviewFailed, SpecGenerationFailed};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use self::cli::{Arguments, Command, ProcessContext};
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
            // If printing fails, the exit code is all that can be reported. Clap's own exit code for wrong usage, 2, means
            // "iterations used up" here.
            error.print().ok();
            if error.use_stderr() {
                ExitCode::Error
            } else {
                ExitCode::Complete
            }
        }
    }
}

fn command(command: Command) -> anyhow::Result<ExitCode> {
    let process = ProcessContext {
        directory: std::env::current_dir().context("finding the current directory")?,
        variables: std::env::vars_os().collect(),
    };
    match command {
        Command::Run(arguments) => {
            let session = Session::new(arguments.is_headless(), &process);
            session.run(async {
                match arguments.into_options(process) {
                    Ok(options) => {
                        let output = session.output(options.agent.environment.secrets());
                        run::run(&options, &output, &session.stop).await
                    }
                    Err(error) => {
                        let error = format!("{error:#}");
                        session.output(Vec::new()).event(&Event::Failed(Failed { error }));
                        ExitCode::Error
                    }
                }
            })
        }
        Command::Spec(arguments) => {
            let session = Session::new(arguments.is_headless(), &process);
            session.run(async {
                match arguments.into_options(process) {
                    Ok(options) => {
                        let output = session.output(options.agent.environment.secrets());
                        spec::spec(&options, &output, &session.stop).await
                    }
                    Err(error) => {
                        let failed = SpecGenerationFailed {
                            error: format!("{error:#}"),
                        };
                        session
                            .output(Vec::new())
                            .event(&Event::SpecGenerationFailed(failed));
                        ExitCode::Error
                    }
                }
            })
        }
        Command::Review(arguments) => {
            let session = Session::new(arguments.is_headless(), &process);
            session.run(async {
                match arguments.into_options(process) {
                    Ok(options) => {
                        let output = session.output(options.agent.environment.secrets());
                        review::review(&options, &output, &session.stop).await
                    }
                    Err(error) => {
                        let failed = ReviewFailed {
                            error: format!("{error:#}"),
                            stats: IterationStats::default(),
                        };
                        session.output(Vec::new()).event(&Event::ReviewFailed(failed));
                        ExitCode::Error
                    }
                }
            })
        }
        Command::Validate(argument) => validate::validate(&process.directory, argument.path.as_deref()),
        Command::Init(argument) => init::init(&process.directory, argument.path.as_deref()),
    }
}

/// The runtime, signals and output of a command that starts agents.
struct Session {
    stop: Stop,
    is_headless: bool,
    is_plain: bool,
}

impl Session {
    fn new(is_headless: bool, process: &ProcessContext) -> Self {
        Self {
            stop: Stop::default(),
            is_headless,
            is_plain: is_plain(&process.variables),
        }
    }

    fn output(&self, secrets: Vec<String>) -> Output<'_> {
        if self.is_headless {
            Output::headless(secrets, &self.stop)
        } else {
            Output::human(self.is_plain, secrets, &self.stop)
        }
    }

    /// Runs `work` to its end. Signals become requests to stop.
    fn run(&self, work: impl Future<Output = ExitCode>) -> anyhow::Result<ExitCode> {
        // One thread: it is the parent of every agent and must live as long as this process.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the runtime")?;
        runtime.block_on(async {
            let signals = Signals::install().context("installing the signal handlers")?;
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

/// Asks the kernel for SIGTERM when the parent process dies, even by SIGKILL: the agent would be left running otherwise.
///
/// The kernel means the *thread* that started this process, so `ralph --headless` must be started from a thread that
/// lives as long as the run. The request belongs to the calling thread, which is why this must run on the main thread.
fn end_with_parent(stop: &Stop) -> anyhow::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))
        .context("asking for a signal when the parent dies")?;
    if getppid() != parent {
        // It died before the request.
        stop.request(StopReason::Signal("SIGTERM"));
    }
    Ok(())
}

/// Whether the environment asks for text without colours: <https://no-color.org>, or a terminal without colours.
fn is_plain(variables: &[(OsString, OsString)]) -> bool {
    variables.iter().any(|(name, value)| {
        (name == OsStr::new("NO_COLOR") && !value.is_empty())
            || (name == OsStr::new("TERM") && value == OsStr::new("dumb"))
    })
}
