//! Descriptions and values of settings.

use std::collections::BTreeMap;
use std::fmt;

const NOT_SET: &str = "(not set)";

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
#[derive(Clone, Debug)]
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
    origin: Origin,
    is_secret: bool,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The variable is set.
    Environment,
    /// The variable is not set; the value is the default.
    Default,
    /// The variable is not set and has no default.
    NotSet,
}

/// A setting of [`Effective`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub name: &'static str,
    /// The value or its default; `None` for secrets, and if there is none.
    pub value: Option<&'a str>,
    /// Whether the variable is set.
    pub is_set: bool,
    pub is_secret: bool,
}

impl EffectiveValue {
    pub(super) fn set(shown: impl Into<String>) -> Self {
        Self {
            shown: shown.into(),
            origin: Origin::Environment,
            is_secret: false,
        }
    }

    pub(super) fn default(shown: impl Into<String>) -> Self {
        Self {
            shown: shown.into(),
            origin: Origin::Default,
            is_secret: false,
        }
    }

    pub(super) fn not_set() -> Self {
        Self {
            shown: NOT_SET.to_owned(),
            origin: Origin::NotSet,
            is_secret: false,
        }
    }
}

impl EffectiveValue {
    pub(super) fn secret(self) -> Self {
        Self {
            is_secret: true,
            ..self
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

    /// All settings by name, for display.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().map(|(name, value)| Entry {
            name,
            value: (!value.is_secret && value.origin != Origin::NotSet).then_some(value.shown.as_str()),
            is_set: value.origin == Origin::Environment,
            is_secret: value.is_secret,
        })
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self
            .0
            .iter()
            .filter(|(_, value)| value.origin == Origin::Environment);
        for (index, (name, value)) in set.enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(formatter, "{separator}{name}={}", value.shown)?;
        }
        Ok(())
    }
}
