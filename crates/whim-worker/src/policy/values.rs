//! Values of a policy: parsed at the edge, so that a wrong one is reported with its line.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use whim_core::RelativePath;

const MAX_NAME_BYTES: usize = 40;
const MAX_COMMAND_BYTES: usize = 4096;
const MAX_MODEL_BYTES: usize = 200;
const MAX_SECONDS: u64 = 24 * 60 * 60;
const MAX_ITERATIONS: u32 = 1000;

/// Name of a check.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"))]
pub struct CheckName(String);

impl CheckName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CheckName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_name = name.len() <= MAX_NAME_BYTES
            && name.bytes().all(allowed)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if is_name {
            return Ok(Self(name));
        }
        Err(format!(
            "expected a name of 1 to {MAX_NAME_BYTES} letters, digits, `.`, `_` and `-`, for example `test`"
        ))
    }
}

/// Command for `sh -c`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"\S", "maxLength" = MAX_COMMAND_BYTES))]
pub struct ShellCommand(String);

impl ShellCommand {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ShellCommand {
    type Error = String;

    fn try_from(command: String) -> Result<Self, String> {
        let command = command.trim();
        if command.is_empty() || command.len() > MAX_COMMAND_BYTES || command.contains('\0') {
            return Err(format!(
                "expected a shell command of 1 to {MAX_COMMAND_BYTES} bytes"
            ));
        }
        Ok(Self(command.to_owned()))
    }
}

/// Directory below the root of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[^/\\]"))]
pub struct Directory(#[schemars(with = "String")] RelativePath);

impl Directory {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for Directory {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        match RelativePath::parse(&path) {
            Ok(path) => Ok(Self(path)),
            Err(_) => Err(
                "expected a directory relative to the root of the repository that stays inside it, for example `web`"
                    .to_owned(),
            ),
        }
    }
}

/// File below the root of the repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[^/\\]"))]
pub struct File(#[schemars(with = "String")] RelativePath);

impl File {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for File {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        match RelativePath::parse(&path) {
            Ok(path) => Ok(Self(path)),
            Err(_) => Err(
                "expected a file relative to the root of the repository that stays inside it, for example `docs/agents.md`"
                    .to_owned(),
            ),
        }
    }
}

/// Name of a model, for `claude --model`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = r"^[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,199}$"))]
pub struct ModelName(String);

impl ModelName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@[]-".contains(&byte);
        let is_name = name.len() <= MAX_MODEL_BYTES
            && name.bytes().all(allowed)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if is_name {
            return Ok(Self(name));
        }
        Err("expected the name of a model, for example `claude-sonnet-5-5`".to_owned())
    }
}

/// Duration in whole seconds, from 1 to one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u64")]
#[schemars(extend("minimum" = 1, "maximum" = MAX_SECONDS))]
pub struct Seconds(u64);

impl Seconds {
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TryFrom<u64> for Seconds {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        if (1..=MAX_SECONDS).contains(&seconds) {
            return Ok(Self(seconds));
        }
        Err(format!(
            "expected a whole number of seconds from 1 to {MAX_SECONDS}"
        ))
    }
}

/// Number of iterations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "u32")]
#[schemars(extend("minimum" = 1, "maximum" = MAX_ITERATIONS))]
pub struct MaxIterations(u32);

impl MaxIterations {
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for MaxIterations {
    type Error = String;

    fn try_from(count: u32) -> Result<Self, String> {
        if (1..=MAX_ITERATIONS).contains(&count) {
            return Ok(Self(count));
        }
        Err(format!("expected a whole number from 1 to {MAX_ITERATIONS}"))
    }
}
