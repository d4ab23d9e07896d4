//! Harnesses: the programs that drive a coding agent, as argument lists and decoders. Nothing here does anything.

pub(crate) mod claude;
pub(crate) mod command;

use std::ffi::OsString;
use std::path::PathBuf;

use semver::Version;

use crate::stream::Decoder;

/// What an agent is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To change the files of the directory.
    Work,
    /// To look at them and answer with a text.
    Answer,
}

/// A program to start, without its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandSpec {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    /// Variables that are set unless the environment has them already.
    pub(crate) default_environment: Vec<(&'static str, &'static str)>,
}

/// A version that must be there before any work starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRequirement {
    /// For people: `Claude Code`.
    pub(crate) name: &'static str,
    /// Prints the version, first thing on its first line.
    pub(crate) command: CommandSpec,
    pub(crate) minimum: Version,
    /// What to do about a version that is too old, or a program that is not there.
    pub(crate) advice: &'static str,
}

/// How one kind of agent is started and understood. The prompt always goes to its standard input: arguments are
/// limited to 128 KiB, and every user of the machine can read them.
pub(crate) trait Harness {
    /// As in `--harness` and in the event `started`.
    fn name(&self) -> &'static str;

    /// What to check once before the first agent is started.
    fn version_requirement(&self) -> Option<VersionRequirement>;

    /// The agent's program and arguments.
    fn command(&self, purpose: Purpose) -> CommandSpec;

    /// A decoder for one run in `directory`, which is canonical.
    fn decoder(&self, directory: PathBuf) -> Box<dyn Decoder>;

    /// Whether a run that worked always says so: then one that ends without a result, or has used no tokens, failed.
    fn reports_result(&self) -> bool;
}
