//! The command line.

use std::ffi::OsString;
use std::io;
use std::num::NonZeroU32;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use ralph_contract::files::{AI_DIR, RunFiles};

use crate::agent::{AgentOptions, Limits};
use crate::environment::Environment;
use crate::harness::Harness;
use crate::harness::claude::{ClaudeHarness, McpServers, PreEditHook};
use crate::harness::command::CommandHarness;
use crate::review::ReviewOptions;
use crate::run::RunOptions;
use crate::spec::SpecOptions;

/// Does the tasks of a checklist: one fresh coding agent per iteration, until every box of SPEC.md is ticked
#[derive(Debug, Parser)]
#[command(name = "ralph", version, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 complete, 1 stuck, 2 iterations used up, 3 error")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Do the open tasks of SPEC.md, one by one
    Run(RunArguments),
    /// Write a SPEC.md from a description
    Spec(SpecArguments),
    /// Compare a change with its SPEC.md
    Review(ReviewArguments),
    /// Check a SPEC.md against the conventions
    Validate(PathArgument),
    /// Write a template of SPEC.md
    Init(PathArgument),
}

#[derive(Debug, Args)]
pub(crate) struct PathArgument {
    /// The file [default: SPEC.md]
    pub(crate) path: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Run until every task is done or the agent is stuck, without a limit on iterations
    #[arg(long, conflicts_with = "iterations")]
    all: bool,

    /// Maximum number of iterations
    #[arg(short = 'n', value_name = "N", default_value = "50", value_parser = positive)]
    iterations: NonZeroU32,

    /// Path of the checklist [default: SPEC.md if it exists, otherwise .ai/SPEC.md]
    #[arg(long, value_name = "PATH")]
    spec: Option<String>,

    /// Directory of the other files of the run, below the current directory
    #[arg(long, value_name = "DIR", default_value = AI_DIR, value_parser = directory_below)]
    run_dir: String,

    /// Commit that the agent must keep together with its ancestors; it may replace later ones [default: the head at the
    /// start]
    #[arg(long, value_name = "HASH", value_parser = commit_hash)]
    keep_commit: Option<String>,

    /// Number of iterations in a row without a ticked box or a commit after which the run is stuck
    #[arg(long, value_name = "N", default_value = "3", value_parser = positive)]
    stuck_threshold: NonZeroU32,

    /// Interval at which SPEC.md and git are read while the agent works
    #[arg(long, value_name = "SEC", default_value = "0.3", value_parser = seconds, hide = true)]
    watch_period: Duration,

    /// Program to run before each edit of the agent; exit code 2 refuses the edit. Repeat the option for each argument
    /// of the program
    #[arg(long = "pre-edit-hook", value_name = "WORD", allow_hyphen_values = true)]
    pre_edit_hook: Vec<String>,

    /// Timeout of the hook, after which the edit proceeds
    #[arg(long, value_name = "SEC", default_value = "60", value_parser = seconds)]
    pre_edit_limit: Duration,

    /// File with the MCP servers of the agent, in the format of Claude Code; there are no others
    #[arg(long, value_name = "FILE")]
    mcp_config: Option<PathBuf>,

    /// File with the repository's instructions for agents, which each prompt contains
    #[arg(long, value_name = "FILE")]
    instructions: Option<PathBuf>,

    #[command(flatten)]
    agent: AgentArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SpecArguments {
    /// What the checklist is for; `-` reads it from standard input
    #[arg(allow_hyphen_values = true)]
    description: String,

    /// Path of the checklist to write; must not exist
    #[arg(long, value_name = "PATH", default_value = ralph_contract::files::SPEC)]
    spec: String,

    #[command(flatten)]
    agent: AgentArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ReviewArguments {
    /// Path of the checklist [default: SPEC.md if it exists, otherwise .ai/SPEC.md]
    #[arg(long, value_name = "PATH")]
    spec: Option<String>,

    /// File with the change, as `git diff` prints it
    #[arg(long, value_name = "PATH")]
    diff: PathBuf,

    #[command(flatten)]
    agent: AgentArguments,
}

/// Shared by the commands that start an agent.
#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// Print one JSON object per line, and exit when the parent process dies
    #[arg(long)]
    headless: bool,

    /// The agent to start: claude, or command for any program
    #[arg(long, value_name = "NAME", default_value = "claude")]
    harness: HarnessName,

    /// The model [default: that of the harness]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// The program of the harness `claude`
    #[arg(long, value_name = "PATH", default_value = "claude")]
    claude_bin: OsString,

    /// What one agent may cost in US dollars; only with the harness `claude`
    #[arg(long, value_name = "USD", value_parser = dollars)]
    max_budget_usd: Option<f64>,

    /// Environment variable to pass to the agent in addition; may be repeated
    #[arg(long = "pass-env", value_name = "NAME")]
    pass_env: Vec<String>,

    /// Terminate an agent that prints nothing for this time; must be longer than its longest tool call
    #[arg(long, value_name = "SEC", default_value = "900", value_parser = seconds)]
    timeout_idle: Duration,

    /// Time for an agent to exit after its result
    #[arg(long, value_name = "SEC", default_value = "30", value_parser = seconds, hide = true)]
    result_grace: Duration,

    /// Time for an agent to exit after SIGINT, and again after SIGTERM
    #[arg(long, value_name = "SEC", default_value = "5", value_parser = seconds, hide = true)]
    signal_grace: Duration,

    /// Program and arguments of the harness `command`, which reads the prompt from standard input
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

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
                "the harness {name} is not part of this build; available: claude, command"
            )),
            _ => Err("unknown harness; available: claude, command".to_owned()),
        }
    }
}

/// Parses a number of seconds, with an optional fraction.
fn positive(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| format!("expected a whole number from 1 to {}", u32::MAX))
}

/// A relative path without `..`.
fn directory_below(text: &str) -> Result<String, String> {
    let directory = text.trim_end_matches('/');
    let is_below = !directory.is_empty()
        && Path::new(directory)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    is_below
        .then(|| directory.to_owned())
        .ok_or_else(|| "expected a directory below the current one, such as .ai".to_owned())
}

/// The full hash of a commit, in SHA-1 or SHA-256.
fn commit_hash(text: &str) -> Result<String, String> {
    let is_hash = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash
        .then(|| text.to_ascii_lowercase())
        .ok_or_else(|| "expected the full hash of a commit, 40 or 64 hexadecimal digits".to_owned())
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(amount) if f64::is_finite(amount) && amount > 0.0 => Ok(amount),
        Ok(_) | Err(_) => Err("expected more than 0 dollars, such as 5 or 0.5".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "expected a number of seconds, such as 30 or 0.5".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) | Err(_) => Err("expected more than 0 seconds".to_owned()),
    }
}

/// The directory and environment of this process.
#[derive(Debug)]
pub(crate) struct ProcessContext {
    pub(crate) directory: PathBuf,
    pub(crate) variables: Vec<(OsString, OsString)>,
}

/// What only an agent that works on a task gets.
#[derive(Debug, Default)]
struct WorkArguments {
    pre_edit: Option<PreEditHook>,
    mcp_config: Option<PathBuf>,
}

impl AgentArguments {
    fn into_options(self, process: ProcessContext, work: WorkArguments) -> anyhow::Result<AgentOptions> {
        let WorkArguments { pre_edit, mcp_config } = work;
        for (option, is_set) in [
            ("--pre-edit-hook", pre_edit.is_some()),
            ("--mcp-config", mcp_config.is_some()),
            ("--max-budget-usd", self.max_budget_usd.is_some()),
        ] {
            if is_set && self.harness != HarnessName::Claude {
                bail!("`{option}` requires `--harness claude`: no other harness supports it");
            }
        }
        let mut command = self.command.into_iter();
        let harness: Box<dyn Harness> = match (self.harness, command.next()) {
            (HarnessName::Claude, None) => Box::new(ClaudeHarness {
                program: absolute(&self.claude_bin, &process),
                model: self.model.clone(),
                pre_edit,
                mcp: mcp_config
                    .map(|file| McpServers::read(process.directory.join(file)))
                    .transpose()?,
                max_budget_usd: self.max_budget_usd,
            }),
            (HarnessName::Claude, Some(_)) => bail!("a command after `--` requires `--harness command`"),
            (HarnessName::Command, Some(program)) => Box::new(CommandHarness {
                program,
                arguments: command.collect(),
            }),
            (HarnessName::Command, None) => bail!("`--harness command` requires the command after `--`"),
        };
        let directory = process.directory;
        Ok(AgentOptions {
            harness,
            model: self.model,
            environment: Environment::pick(process.variables, &self.pass_env),
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

/// A path with a directory is relative to the directory of this process; a bare name is searched in `PATH`.
fn absolute(program: &OsString, process: &ProcessContext) -> OsString {
    let path = Path::new(program);
    if path.components().count() < 2 || path.is_absolute() {
        return program.clone();
    }
    process.directory.join(path).into()
}

impl RunArguments {
    pub(crate) fn is_headless(&self) -> bool {
        self.agent.headless
    }

    pub(crate) fn into_options(self, process: ProcessContext) -> anyhow::Result<RunOptions> {
        let pre_edit = (!self.pre_edit_hook.is_empty()).then_some(PreEditHook {
            command: self.pre_edit_hook,
            limit: self.pre_edit_limit,
        });
        let instructions = self.instructions.map(|file| process.directory.join(file));
        let instructions = instructions
            .map(|file| std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display())))
            .transpose()?;
        let work = WorkArguments {
            pre_edit,
            mcp_config: self.mcp_config,
        };
        Ok(RunOptions {
            agent: self.agent.into_options(process, work)?,
            instructions: instructions.filter(|text| !text.trim().is_empty()),
            spec: self.spec,
            files: RunFiles::in_directory(self.run_dir),
            keep_commit: self.keep_commit,
            iterations: (!self.all).then_some(self.iterations.get()),
            stuck_threshold: self.stuck_threshold.get(),
            watch_period: self.watch_period,
        })
    }
}

impl ReviewArguments {
    pub(crate) fn is_headless(&self) -> bool {
        self.agent.headless
    }

    pub(crate) fn into_options(self, process: ProcessContext) -> anyhow::Result<ReviewOptions> {
        Ok(ReviewOptions {
            agent: self.agent.into_options(process, WorkArguments::default())?,
            spec: self.spec,
            diff: self.diff,
        })
    }
}

impl SpecArguments {
    pub(crate) fn is_headless(&self) -> bool {
        self.agent.headless
    }

    pub(crate) fn into_options(self, process: ProcessContext) -> anyhow::Result<SpecOptions> {
        let description = if self.description == "-" {
            io::read_to_string(io::stdin()).context("reading the description from standard input")?
        } else {
            self.description
        };
        if description.trim().is_empty() {
            bail!("the description is empty: describe what the checklist is for");
        }
        Ok(SpecOptions {
            agent: self.agent.into_options(process, WorkArguments::default())?,
            spec: self.spec,
            description,
        })
    }
}
