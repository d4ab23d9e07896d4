use serde::{Deserialize, Serialize};

use super::{InvalidName, text_name};

/// A repository as GitHub writes it: `owner/name`.
///
/// The rules are GitHub's: an owner has letters, digits and inner hyphens, at most 39 characters; a name has letters,
/// digits, `.`, `-` and `_`, at most 100 characters. A name that starts with `-` or is `.` or `..` is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(
        example = "octocat/hello-world",
        pattern = "^(?!.*\\.git$)(?!.*/\\.{1,2}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,37}[A-Za-z0-9_])?/\
            [A-Za-z0-9._][A-Za-z0-9._-]{0,99}$",
    )
)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct RepoName(String);

text_name!(RepoName);

const KIND: &str = "repository";
const EXPECTED: &str = "`owner/name` as on GitHub, for example `octocat/hello-world`";

impl RepoName {
    /// Parses `owner/name`.
    ///
    /// # Errors
    /// The text is not a repository name by GitHub's rules.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| Err(InvalidName::new(KIND, text, problem, EXPECTED));
        let Some((owner, name)) = text.split_once('/') else {
            return refuse("has no slash");
        };
        let owner_ok = !owner.is_empty()
            && owner.len() <= 39
            && owner
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !owner.starts_with('-')
            && !owner.ends_with('-');
        if !owner_ok {
            return refuse("has an owner that GitHub does not allow");
        }
        let name_ok = !name.is_empty()
            && name.len() <= 100
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
            && !name.starts_with('-')
            && name != "."
            && name != ".."
            && !name.ends_with(".git");
        if !name_ok {
            return refuse("has a name that GitHub does not allow");
        }
        Ok(Self(text.to_owned()))
    }

    /// The part before the slash.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_names_parse_into_owner_and_name() {
        for (text, owner, name) in [
            ("octocat/hello-world", "octocat", "hello-world"),
            ("a/b.c_d-", "a", "b.c_d-"),
            ("rust-lang/.github", "rust-lang", ".github"),
        ] {
            let repo = RepoName::parse(text).unwrap();
            assert_eq!((repo.owner(), repo.name()), (owner, name));
        }
    }

    #[test]
    fn names_that_could_harm_are_refused() {
        for text in [
            "",
            "x",
            "-x/y",
            "x/-y",
            "x/..",
            "x/.",
            "x/y/z",
            "x /y",
            "x/y z",
            "x/y;id",
            "x/$(id)",
            "ext::sh/x",
            "../x/y",
            "x/y.git",
            "x/y\n",
            "x/",
            "/y",
            "x/y\0",
            "--upload-pack=x/y",
            "https://github.com/x/y",
        ] {
            assert!(RepoName::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn the_error_says_what_would_be_right() {
        insta::assert_snapshot!(
            RepoName::parse("hello").unwrap_err(),
            @"repository \"hello\" has no slash; expected `owner/name` as on GitHub, for example `octocat/hello-world`"
        );
    }
}
