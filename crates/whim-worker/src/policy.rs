//! The policy of a repository: `.whim/config.yml` on its base branch.
//!
//! It is read with git from the worker's own mirror, never from the agent's files, so that a change cannot choose how it is
//! checked. Unknown keys are refused. `docs/policy.md` is the reference.

pub mod check;
mod paths;
mod values;

use std::fmt;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DefaultMessageFormatter, DuplicateKeyPolicy, Error, MessageFormatter as _};
use whim_core::BranchName;

pub use self::paths::ProtectedPaths;
pub use self::values::{CheckName, Directory, File, MaxIterations, ModelName, Seconds, ShellCommand};

/// Relative to the root of the repository.
pub const PATH: &str = ".whim/config.yml";
/// A likely misspelling, which is refused instead of ignored.
pub const MISSPELT_PATH: &str = ".whim/config.yaml";

const MAX_BYTES: usize = 64 * 1024;
const MAX_CHECKS: usize = 20;
const MAX_SETUP: usize = 20;
const MAX_MCP_SERVERS: usize = 100;

/// How Whim works on a repository. Every key is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(title = "Policy of a repository for Whim (.whim/config.yml)")]
pub struct Policy {
    /// Base branch of pull requests, for items that name none. Only read on the default branch; everything else is read on the
    /// base branch.
    #[schemars(with = "Option<String>")]
    pub base: Option<BranchName>,
    /// Shell commands that prepare a checkout, in order: in the workspace before the agent starts, and in each clean
    /// checkout before its checks. They run in the root of the repository and have access to the network.
    #[schemars(extend("maxItems" = MAX_SETUP))]
    #[serde(deserialize_with = "setup")]
    pub setup: Vec<ShellCommand>,
    /// The checks by name, in the order in which they run. They replace the detected ones.
    pub checks: Option<Checks>,
    /// Model of the agent, instead of the operator's choice.
    pub model: Option<ModelName>,
    /// The agent's program, instead of the operator's choice.
    pub harness: Option<Harness>,
    /// The MCP servers of the agent, by their names in the operator's list. All of them without the key.
    #[schemars(extend("maxItems" = MAX_MCP_SERVERS))]
    pub mcp_servers: Option<Vec<String>>,
    /// File with instructions for the agent, relative to the root of the repository, read on the base branch.
    pub instructions: Option<File>,
    /// Limit of iterations of an attempt. It can only lower the operator's limit.
    pub max_iterations: Option<MaxIterations>,
    /// What happens if the change removed or weakened tests.
    pub integrity: Integrity,
    /// Files that a person has to check: a change of one makes the pull request a draft. Patterns as in `.gitignore`,
    /// without exceptions.
    pub protected_paths: ProtectedPaths,
    /// A larger change makes the pull request a draft.
    pub max_diff: Option<MaxDiff>,
    /// When a draft pull request is opened.
    pub draft: Draft,
    /// Whether commits get a `Signed-off-by` of their author.
    pub sign_off: bool,
    /// `false` switches off the review of the change by a model.
    pub review: Option<bool>,
}

/// How removed and weakened tests are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Integrity {
    /// The pull request names them.
    #[default]
    Report,
    /// The pull request names them and is a draft.
    Strict,
    /// They are not searched.
    Off,
}

/// A program that works on tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Harness {
    /// Claude Code.
    Claude,
}

/// Limits of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxDiff {
    /// Changed files.
    pub files: Option<u32>,
    /// Added and deleted lines together.
    pub lines: Option<u32>,
}

/// Whether a draft pull request is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Draft {
    /// For work whose required checks fail because of it.
    #[default]
    Failed,
    /// After the first commit, and as `failed`. It becomes ready when the work is.
    Early,
    /// The branch is kept, without a pull request.
    Never,
}

/// At least one check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "IndexMap<CheckName, CheckPolicy>")]
#[schemars(extend("minProperties" = 1, "maxProperties" = MAX_CHECKS))]
pub struct Checks(IndexMap<CheckName, CheckPolicy>);

impl Checks {
    pub fn iter(&self) -> impl Iterator<Item = (&CheckName, &CheckPolicy)> {
        self.0.iter()
    }
}

impl TryFrom<IndexMap<CheckName, CheckPolicy>> for Checks {
    type Error = String;

    fn try_from(checks: IndexMap<CheckName, CheckPolicy>) -> Result<Self, String> {
        match checks.len() {
            0 => Err("expected at least one check; without the key, checks are detected".to_owned()),
            1..=MAX_CHECKS => Ok(Self(checks)),
            count => Err(format!("expected at most {MAX_CHECKS} checks, found {count}")),
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckPolicy {
    /// Shell command that succeeds if the check passes.
    pub run: ShellCommand,
    /// Directory in which the command runs, relative to the root of the repository, which is the default.
    pub directory: Option<Directory>,
    /// Time limit in seconds. It can only lower the operator's limit, which is the default.
    pub timeout: Option<Seconds>,
    /// Whether the change is delivered only if the check passes.
    #[serde(default = "required")]
    pub required: bool,
}

fn setup<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ShellCommand>, D::Error> {
    let commands = Vec::deserialize(deserializer)?;
    if commands.len() > MAX_SETUP {
        let found = commands.len();
        return Err(D::Error::custom(format!(
            "expected at most {MAX_SETUP} commands, found {found}"
        )));
    }
    Ok(commands)
}

fn required() -> bool {
    true
}

/// Names the line and the key, if they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InvalidPolicy {
    line: Option<u64>,
    key: Option<String>,
    message: String,
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(formatter, "line {line}: ")?;
        }
        if let Some(key) = &self.key {
            write!(formatter, "`{key}`: ")?;
        }
        formatter.write_str(&self.message)
    }
}

impl Policy {
    /// Parses the content of `.whim/config.yml`. An empty file is an empty policy.
    ///
    /// # Errors
    /// It is too large or no YAML, or has an unknown key or a value that is not allowed.
    pub fn parse(text: &str) -> Result<Self, InvalidPolicy> {
        if text.len() > MAX_BYTES {
            return Err(InvalidPolicy {
                line: None,
                key: None,
                message: format!("the file is larger than {MAX_BYTES} bytes"),
            });
        }
        if is_blank(text) {
            return Ok(Self::default());
        }
        let options = serde_saphyr::options! {
            duplicate_keys: DuplicateKeyPolicy::Error,
            strict_booleans: true,
            with_snippet: false,
        };
        let mut key = None;
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            serde_path_to_error::deserialize(deserializer).map_err(|error| {
                let path = error.path().to_string();
                key = Some(path).filter(|path| path != "." && path != "?");
                error.into_inner()
            })
        })
        .map_err(|error| InvalidPolicy {
            line: error.location().map(|location| location.line()),
            key: key.take(),
            message: explain(error.without_snippet()),
        })
    }

    /// The JSON schema of the file.
    pub fn schema() -> Schema {
        schema_for!(Self)
    }
}

/// In the words of the file instead of those of the parser.
fn explain(error: &Error) -> String {
    // Every other error says what it is about.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the enumeration is large and grows"
    )]
    match error {
        Error::Unexpected { expected, .. } => match *expected {
            "sequence start" => "expected a list".to_owned(),
            "mapping start" => "expected keys with values".to_owned(),
            "string scalar" => "expected a text".to_owned(),
            other => format!("expected {other}"),
        },
        Error::InvalidScalar { ty, .. } if ty.starts_with('u') => "expected a whole number".to_owned(),
        Error::InvalidBooleanStrict { .. } => "expected `true` or `false`".to_owned(),
        Error::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("the key `{key}` is there twice"),
            None => "a key is there twice".to_owned(),
        },
        other => DefaultMessageFormatter.format_message(other).into_owned(),
    }
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---"
    })
}
