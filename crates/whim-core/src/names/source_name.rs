use serde::{Deserialize, Serialize};

use super::{InvalidName, text_name};

/// Where an item came from: `github`, `api`, `interactive`, or what another adapter calls itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(example = "github", pattern = "^[a-z0-9_-]{1,32}$",)
)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct SourceName(String);

text_name!(SourceName);

impl SourceName {
    /// Parses 1 to 32 lower-case letters, digits, `-` and `_`.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) {
            return Err(InvalidName::new(
                "source",
                text,
                "is not a source's name",
                "1 to 32 lower-case letters, digits, `-` and `_`, for example `github`",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Source of items from GitHub issues.
    pub fn github() -> Self {
        Self("github".to_owned())
    }

    /// Default source.
    pub fn api() -> Self {
        Self("api".to_owned())
    }
}
