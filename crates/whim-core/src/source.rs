//! Markers in Whim's issue comments.

use std::str::FromStr;

use thiserror::Error;

use crate::WorkItemId;

/// What the comment on an issue states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommentSubject {
    /// Why no run was started.
    NotStarted,
    /// A run of an item.
    Run {
        item: WorkItemId,
        run: u32,
        /// Whether it states the outcome.
        ended: bool,
    },
}

/// The hidden marker at the end of Whim's comment on an issue, by which the intake finds it again.
pub fn comment_marker(subject: CommentSubject) -> String {
    match subject {
        CommentSubject::NotStarted => "<!-- whim:not-started -->".to_owned(),
        CommentSubject::Run { item, run, ended } => {
            let state = if ended { "ended" } else { "live" };
            format!("<!-- whim:item={item} run={run} state={state} -->")
        }
    }
}

/// The subject of a comment that ends with a marker. A marker elsewhere in a comment may come from an agent or a user.
pub fn parse_comment_marker(body: &str) -> Option<CommentSubject> {
    let (_, marker) = body.trim_end().strip_suffix(" -->")?.rsplit_once("<!-- whim:")?;
    if marker == "not-started" {
        return Some(CommentSubject::NotStarted);
    }
    let (id, rest) = marker.strip_prefix("item=")?.split_once(" run=")?;
    let (run, state) = rest.split_once(" state=")?;
    Some(CommentSubject::Run {
        item: id.parse().ok()?,
        run: run.parse().ok()?,
        ended: match state {
            "ended" => true,
            "live" => false,
            _ => return None,
        },
    })
}

/// The SHA-256 of a text, as 64 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{64}$"))]
#[serde(try_from = "String", into = "String")]
pub struct TextHash(String);

#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("is not a SHA-256; expected 64 lower-case hexadecimal digits")]
pub struct InvalidTextHash;

impl TextHash {
    pub fn of(text: &str) -> Self {
        use sha2::{Digest as _, Sha256};
        use std::fmt::Write as _;
        let digest = Sha256::digest(text.as_bytes());
        Self(digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _written = write!(hex, "{byte:02x}");
            hex
        }))
    }
}

impl FromStr for TextHash {
    type Err = InvalidTextHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidTextHash)
        }
    }
}

impl TryFrom<String> for TextHash {
    type Error = InvalidTextHash;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TextHash> for String {
    fn from(hash: TextHash) -> Self {
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_found_again_at_the_end_of_a_comment() {
        let item = WorkItemId::new();
        for subject in [
            CommentSubject::NotStarted,
            CommentSubject::Run {
                item,
                run: 3,
                ended: false,
            },
            CommentSubject::Run {
                item,
                run: 1,
                ended: true,
            },
        ] {
            let body = format!("Opened a pull request.\n\n{}\n", comment_marker(subject));
            assert_eq!(parse_comment_marker(&body), Some(subject));
            assert_eq!(parse_comment_marker(&format!("{body}quoted")), None);
        }
    }

    #[test]
    fn other_comments_carry_no_marker() {
        for body in [
            "",
            "hello",
            "<!-- whim:item=x run=1 state=live -->",
            "<!-- whim:item=",
            "<!-- whim: -->",
            " -->",
        ] {
            assert_eq!(parse_comment_marker(body), None);
        }
    }

    #[test]
    fn a_hash_is_that_of_the_text() {
        let hash = TextHash::of("abc");
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(expected.parse(), Ok(hash));
        for text in ["", "ab", &expected.to_uppercase(), &format!("{expected}0")] {
            assert_eq!(text.parse::<TextHash>(), Err(InvalidTextHash));
        }
    }
}
