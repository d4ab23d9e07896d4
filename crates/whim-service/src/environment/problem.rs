//! Problems with settings, as messages for the operator.

use std::fmt;

/// A variable with a value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    variable: String,
    text: String,
}

impl Problem {
    pub(super) fn not_set(variable: &str, expected: &str) -> Self {
        Self {
            variable: variable.to_owned(),
            text: format!("{variable} is not set: expected {expected}"),
        }
    }

    /// `shown` is the refused value without secrets.
    pub(super) fn wrong(variable: &str, shown: &str, expected: &str) -> Self {
        Self {
            variable: variable.to_owned(),
            text: format!("{variable} is {shown}: expected {expected}"),
        }
    }

    pub(super) fn refused(variable: &str, shown: Option<&str>, why: &str) -> Self {
        let text = match shown {
            Some(shown) => format!("{variable} is {shown}: {why}"),
            None => format!("{variable} {why}"),
        };
        Self {
            variable: variable.to_owned(),
            text,
        }
    }

    pub fn variable(&self) -> &str {
        &self.variable
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// All problems with the settings. Displays one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// In the order in which the variables were read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.problems.is_empty() {
            return formatter.write_str("the configuration is incomplete");
        }
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
