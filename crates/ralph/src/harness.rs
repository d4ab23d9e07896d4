//! Harnesses, the programs that drive a coding agent: their arguments and decoders. No I/O.

pub(crate) mod claude;
pub(crate) mod command;

use std::ffi::OsString;
use std::path::PathBuf;

use semver::Version;

use crate::stream::Decoder;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To change the files of the directory.
    Work,
    /// To read them and answer with a text.
    Answer,
    /// To read them and answer with a [`ralph_contract::Review`].
    Review,
}

/// A program to start, without its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandSpec {
    pub(crate) program: OsString,
    pub(crate) arguments: Vec<OsString>,
    /// Variables that are set unless the environment has them already.
    pub(crate) default_environment: Vec<(&'static str, &'static str)>,
}

/// A version that is checked before an agent is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VersionRequirement {
    /// For people, as in `Claude Code`.
    pub(crate) name: &'static str,
    /// Prints the version as its first word.
    pub(crate) command: CommandSpec,
    pub(crate) minimum: Version,
    /// What to do if the program is missing or too old.
    pub(crate) advice: &'static str,
}

/// How one kind of agent is started and decoded. The prompt is written to its standard input, because arguments are
/// limited to 128 KiB and visible to every user of the machine.
pub(crate) trait Harness {
    /// As in `--harness` and in the event `started`.
    fn name(&self) -> &'static str;

    fn version_requirement(&self) -> Option<VersionRequirement>;

    /// The agent's program and arguments.
    fn command(&self, purpose: Purpose) -> CommandSpec;

    /// A decoder for one run in `directory`, which is canonical.
    fn decoder(&self, directory: PathBuf) -> Box<dyn Decoder>;

    /// Whether every successful run reports a result. Then a run without a result, or without tokens, has failed.
    fn reports_result(&self) -> bool;
}
