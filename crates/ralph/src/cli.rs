//! The command line.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};

use crate::agent::AgentOptions;
use crate::environment::Environment;
use crate::harness::Harness;
use crate::harness::claude::{ClaudeHarness, PreEditHook};
use crate::harness::command::CommandHarness;
use crate::run::RunOptions;
use crate::spec::SpecOptions;
use crate::supervise::Limits;

/// Works off a checklist: one fresh coding agent per iteration, until every box of SPEC.md is ticked
#[derive(Debug, Parser)]
#[command(name = "ralph", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 complete, 1 stuck, 2 iterations used up, 3 error")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do the open tasks of SPEC.md, one after the other
    Run(RunArguments),
    /// Write a SPEC.md from a description
    Spec(SpecArguments),
    /// Check a SPEC.md against the conventions
    Validate(PathArgument),
    /// Write a SPEC.md to fill in
    Init(PathArgument),
}

/// A SPEC.md to look at.
#[derive(Debug, Args)]
pub(crate) struct PathArgument {
    /// The file [default: SPEC.md]
    pub(crate) path: Option<String>,
}

/// Arguments of `ralph run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Go on until every task is done, or the agent is stuck
    #[arg(long, conflicts_with = "iterations")]
    all: bool,

    /// End after so many iterations
    #[arg(short = 'n', value_name = "N", default_value = "50")]
    iterations: NonZeroU32,

    /// The checklist [default: SPEC.md, else .ai/SPEC.md]
    #[arg(long, value_name = "PATH")]
    spec: Option<String>,

    /// End after so many iterations in a row without a ticked box or a commit
    #[arg(long, value_name = "N", default_value = "3")]
    stuck_threshold: NonZeroU32,

    /// How often SPEC.md and git are looked at while the agent works
    #[arg(long, value_name = "SEC", default_value = "0.3", value_parser = seconds, hide = true)]
    watch_period: Duration,

    /// A program that is asked before each edit of the agent and may refuse it with exit code 2; each repetition is one
    /// argument of the program
    #[arg(long = "pre-edit-hook", value_name = "WORD", allow_hyphen_values = true)]
    pre_edit_hook: Vec<String>,

    /// How long the hook may take; then the edit goes ahead
    #[arg(long, value_name = "SEC", default_value = "60", value_parser = seconds)]
    pre_edit_limit: Duration,

    #[command(flatten)]
    agent: AgentArguments,
}

/// Arguments of `ralph spec`.
#[derive(Debug, Args)]
pub(crate) struct SpecArguments {
    /// What is wanted; `-` reads it from standard input
    #[arg(allow_hyphen_values = true)]
    description: String,

    /// Where to write the checklist; must not be there yet
    #[arg(long, value_name = "PATH", default_value = ralph_contract::files::SPEC)]
    spec: String,

    #[command(flatten)]
    agent: AgentArguments,
}

/// What `run` and `spec` have in common.
#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// Print one JSON object a line, for programs, and end when the parent process dies
    #[arg(long)]
    headless: bool,

    /// Which agent to start: claude, or any command
    #[arg(long, value_name = "NAME", default_value = "claude")]
    harness: HarnessName,

    /// The model to ask for [default: the harness's own]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// The program of the harness claude
    #[arg(long, value_name = "PATH", default_value = "claude")]
    claude_bin: OsString,

    /// A variable of the environment that the agent gets, too; may be repeated
    #[arg(long = "pass-env", value_name = "NAME")]
    pass_env: Vec<String>,

    /// End an agent that prints nothing for so long; must be longer than any of its tool calls may take
    #[arg(long, value_name = "SEC", default_value = "900", value_parser = seconds)]
    timeout_idle: Duration,

    /// How long an agent may take to end after its result
    #[arg(long, value_name = "SEC", default_value = "30", value_parser = seconds, hide = true)]
    result_grace: Duration,

    /// How long an agent may take to end after SIGINT, and again after SIGTERM
    #[arg(long, value_name = "SEC", default_value = "5", value_parser = seconds, hide = true)]
    signal_grace: Duration,

    /// Program and arguments of the harness command; the prompt goes to its standard input
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The harnesses that this build has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HarnessName {
    Claude,
    Command,
}

impl FromStr for HarnessName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "claude" => Ok(Self::Claude),
            "command" => Ok(Self::Command),
            "codex" | "opencode" => Err(format!(
                "the harness {name} is not available in this build; available are claude and command"
            )),
            _ => Err("there is no such harness; available are claude and command".to_owned()),
        }
    }
}

/// Reads a duration in seconds, with a fraction if need be.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err("must be more than 0 seconds, and not for ever".to_owned()),
    }
}

/// Where the process runs.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) directory: PathBuf,
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl AgentArguments {
    fn into_options(
        self,
        surroundings: Surroundings,
        pre_edit: Option<PreEditHook>,
    ) -> anyhow::Result<AgentOptions> {
        if pre_edit.is_some() && self.harness != HarnessName::Claude {
            bail!("`--pre-edit-hook` goes with `--harness claude`: no other harness asks before it edits");
        }
        let mut command = self.command.into_iter();
        let harness: Box<dyn Harness> = match (self.harness, command.next()) {
            (HarnessName::Claude, None) => Box::new(ClaudeHarness {
                program: absolute(&self.claude_bin, &surroundings),
                model: self.model.clone(),
                pre_edit,
            }),
            (HarnessName::Claude, Some(_)) => bail!("a command after `--` goes with `--harness command`"),
            (HarnessName::Command, Some(program)) => Box::new(CommandHarness {
                program,
                arguments: command.collect(),
            }),
            (HarnessName::Command, None) => bail!("`--harness command` needs the command after `--`"),
        };
        let directory = surroundings.directory;
        Ok(AgentOptions {
            harness,
            model: self.model,
            environment: Environment::pick(surroundings.variables, &self.pass_env),
            directory: directory
                .canonicalize()
                .with_context(|| format!("finding {}", directory.display()))?,
            limits: Limits {
                idle: self.timeout_idle,
                result_grace: self.result_grace,
                signal_grace: self.signal_grace,
            },
        })
    }
}

/// A path with a directory in it is meant from where `ralph` was started; a bare name is looked up in `PATH`.
fn absolute(program: &OsString, surroundings: &Surroundings) -> OsString {
    let path = Path::new(program);
    if path.components().count() < 2 || path.is_absolute() {
        return program.clone();
    }
    surroundings.directory.join(path).into()
}

impl RunArguments {
    /// Whether the output is for programs.
    pub(crate) fn is_headless(&self) -> bool {
        self.agent.headless
    }

    pub(crate) fn into_options(self, surroundings: Surroundings) -> anyhow::Result<RunOptions> {
        let pre_edit = (!self.pre_edit_hook.is_empty()).then_some(PreEditHook {
            command: self.pre_edit_hook,
            limit: self.pre_edit_limit,
        });
        Ok(RunOptions {
            agent: self.agent.into_options(surroundings, pre_edit)?,
            spec: self.spec,
            iterations: (!self.all).then_some(self.iterations.get()),
            stuck_threshold: self.stuck_threshold.get(),
            watch_period: self.watch_period,
        })
    }
}

impl SpecArguments {
    /// Whether the output is for programs.
    pub(crate) fn is_headless(&self) -> bool {
        self.agent.headless
    }

    pub(crate) fn into_options(self, surroundings: Surroundings) -> anyhow::Result<SpecOptions> {
        Ok(SpecOptions {
            agent: self.agent.into_options(surroundings, None)?,
            spec: self.spec,
            description: if self.description == "-" {
                io::read_to_string(io::stdin()).context("reading the description from standard input")?
            } else {
                self.description
            },
        })
    }
}
