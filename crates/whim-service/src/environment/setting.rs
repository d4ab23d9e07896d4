//! What settings there are, and what they came to be.

use std::collections::BTreeMap;
use std::fmt;

/// One variable that a program reads; shows as a line of `--help`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The variable.
    pub name: &'static str,
    /// What it may be.
    pub expected: String,
    /// Whether it has to be there.
    pub presence: Presence,
}

/// Whether a variable has to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Without it the program does not start.
    Required,
    /// It may be absent.
    Optional,
    /// It may be absent, and then has this value.
    Default(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.expected)?;
        match &self.presence {
            Presence::Required => write!(formatter, " [required]"),
            Presence::Optional => Ok(()),
            Presence::Default(default) => write!(formatter, " [default: {default}]"),
        }
    }
}

/// A configuration and what its settings came to be.
#[derive(Debug)]
pub struct Configured<T> {
    /// The configuration itself.
    pub config: T,
    /// Every setting that was read, for one log line at start.
    pub effective: Effective,
}

/// Every setting that was read, with its value or default; secrets are redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective(BTreeMap<&'static str, String>);

impl Effective {
    pub(super) fn new(settings: BTreeMap<&'static str, String>) -> Self {
        Self(settings)
    }

    /// The settings by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(formatter, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}
