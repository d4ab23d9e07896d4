//! Descriptions and values of settings.

use std::collections::BTreeMap;
use std::fmt;

/// A variable that a program reads. Displays as a line of `--help`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// The allowed values.
    pub expected: String,
    pub presence: Presence,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// The program does not start without it.
    Required,
    Optional,
    /// The value if it is not set.
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
