//! Names from outside, parsed at the edge.
//!
//! This is a security boundary: a parsed name cannot be mistaken for a command-line option, never leaves its directory
//! and has no control characters (`docs/attacks.md`, rows 1, 10 and 37).

mod branch;
mod commit;
mod path;
mod repo;
mod source_name;
mod user;

use thiserror::Error;

pub use branch::{BranchName, BranchPrefix};
pub use commit::CommitHash;
pub use path::RelativePath;
pub use repo::RepoName;
pub use source_name::SourceName;
pub use user::UserName;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {value:?} {problem}; expected {expected}")]
pub struct InvalidName {
    kind: &'static str,
    value: String,
    problem: &'static str,
    expected: &'static str,
}

impl InvalidName {
    fn new(kind: &'static str, value: &str, problem: &'static str, expected: &'static str) -> Self {
        const SHOWN: usize = 80;
        let value = value.chars().take(SHOWN).collect();
        Self {
            kind,
            value,
            problem,
            expected,
        }
    }
}

/// The number of an issue or pull request in its repository: at least 1.
pub type IssueNumber = std::num::NonZeroU64;

/// Implements the conversions from and to text for a name type.
macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::names::InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::names::InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}
pub(crate) use text_name;
