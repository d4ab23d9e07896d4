//! Settings and their effective values.

use std::collections::BTreeMap;
use std::fmt;

/// One variable that a program reads. Displays as a line of `--help`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// Describes the accepted values.
    pub expected: String,
    pub presence: Presence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
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

/// A configuration and the effective values of its settings.
#[derive(Debug)]
pub struct Configured<T> {
    pub config: T,
    /// For one log line at start.
    pub effective: Effective,
}

/// Every setting that was read, with its value or default. Secrets are redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective(BTreeMap<&'static str, String>);

impl Effective {
    pub(super) fn new(settings: BTreeMap<&'static str, String>) -> Self {
        Self(settings)
    }

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
