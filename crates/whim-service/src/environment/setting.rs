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

/// A configuration and the values of its settings.
#[derive(Debug)]
pub struct Configured<T> {
    pub config: T,
    pub effective: Effective,
}

/// Every setting that was read, with its value or default; secrets are redacted. Displays the ones that are set, for
/// one log line at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective(BTreeMap<&'static str, EffectiveValue>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EffectiveValue {
    pub(super) shown: String,
    is_set: bool,
}

impl EffectiveValue {
    pub(super) fn set(shown: impl Into<String>) -> Self {
        Self {
            shown: shown.into(),
            is_set: true,
        }
    }

    pub(super) fn default(shown: impl Into<String>) -> Self {
        Self {
            shown: shown.into(),
            is_set: false,
        }
    }
}

impl Effective {
    pub(super) fn new(settings: BTreeMap<&'static str, EffectiveValue>) -> Self {
        Self(settings)
    }

    /// All settings by name, defaults included.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.shown.as_str()))
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.0.iter().filter(|(_, value)| value.is_set);
        for (index, (name, value)) in set.enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(formatter, "{separator}{name}={}", value.shown)?;
        }
        Ok(())
    }
}
