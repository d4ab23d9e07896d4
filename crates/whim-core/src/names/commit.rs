use serde::{Deserialize, Serialize};

use super::{InvalidName, text_name};

/// Full hash of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(pattern = "^(?:[0-9a-f]{40}|[0-9a-f]{64})$",))]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct CommitHash(String);

text_name!(CommitHash);

impl CommitHash {
    /// Parses a full hash; abbreviations are refused.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !digits || !matches!(text.len(), 40 | 64) {
            return Err(InvalidName::new(
                "commit",
                text,
                "is not a full hash",
                "40 or 64 lower-case hexadecimal digits",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_hashes_are_accepted() {
        assert!(CommitHash::parse(&"0a".repeat(20)).is_ok());
        assert!(CommitHash::parse(&"0a".repeat(32)).is_ok());
        for text in ["", "0a0a", "HEAD", "-n"] {
            assert!(CommitHash::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(CommitHash::parse(&"0A".repeat(20)).is_err());
    }
}
