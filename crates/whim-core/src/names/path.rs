use serde::{Deserialize, Serialize};

use super::{InvalidName, text_name};

/// A path inside a repository, relative to its root, with `/` between its parts.
///
/// Canonical: `./a//b` becomes `a/b`, so that two spellings of one file are one lock. Absolute paths, paths that leave the
/// repository and control characters are refused (`docs/attacks.md`, row 37).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(
        example = "src/main.rs",
        max_length = 4096,
        pattern = "^(?!/|.:)[^\\\\\\x00-\\x1f\\x7f-\\x9f]+$",
    )
)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

text_name!(RelativePath);

const KIND: &str = "path";
const EXPECTED: &str =
    "a path relative to the repository's root that stays inside it, for example `src/main.rs`";
const MAX_BYTES: usize = 4096;

impl RelativePath {
    /// Parses and canonicalises a path, without accessing the file system.
    ///
    /// # Errors
    /// The path is empty, absolute, leaves the repository or has a control character.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| Err(InvalidName::new(KIND, text, problem, EXPECTED));
        if text.len() > MAX_BYTES {
            return refuse("is longer than 4096 bytes");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        if text.starts_with('/') || text.contains('\\') || text.as_bytes().get(1) == Some(&b':') {
            return refuse("is absolute or not written with `/`");
        }
        let mut parts: Vec<&str> = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return refuse("leaves the repository");
                    }
                }
                part => parts.push(part),
            }
        }
        if parts.is_empty() {
            return refuse("names no file");
        }
        Ok(Self(parts.join("/")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_file_are_one_path() {
        for text in [
            "src/a.rs",
            "./src/a.rs",
            "src//a.rs",
            "src/./a.rs",
            "src/b/../a.rs",
        ] {
            assert_eq!(RelativePath::parse(text).unwrap().as_str(), "src/a.rs");
        }
    }

    #[test]
    fn paths_that_escape_are_refused() {
        for text in [
            "",
            ".",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a\0b",
            "a\nb",
            "C:\\x",
            "C:/x",
            "..\\x",
            "a/..",
        ] {
            assert!(RelativePath::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_path_is_its_own_canonical_form(text in "[a-z./]{0,30}") {
            if let Ok(path) = RelativePath::parse(&text) {
                prop_assert_eq!(RelativePath::parse(path.as_str()), Ok(path));
            }
        }
    }
}
