use serde::{Deserialize, Serialize};

use super::{InvalidName, IssueNumber, text_name};
use crate::WorkItemId;

/// A branch name that git accepts and that no program parses as an option.
///
/// The rules of `git check-ref-format --branch`, and more: ASCII, no shell metacharacters, no leading `-`, at most 200
/// bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(
        example = "ai/add-login",
        max_length = 200,
        pattern = "^(?!refs/)(?!HEAD$)(?!.*\\.lock(?:/|$))[A-Za-z0-9][A-Za-z0-9_+#-]*(?:\\.[A-Za-z0-9_+#-]+)*\
            (?:/[A-Za-z0-9_+#-]+(?:\\.[A-Za-z0-9_+#-]+)*)*$",
    )
)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct BranchName(String);

text_name!(BranchName);

const KIND: &str = "branch";
const EXPECTED: &str = "a git branch name of letters, digits and `/ . _ - + #` that starts with a letter or digit, for example `ai/add-login`";
const PREFIX_EXPECTED: &str = "the beginning of a git branch name, for example `whim/` or `bot-`";
const MAX_BYTES: usize = 200;

impl BranchName {
    /// Parses a branch name without `refs/heads/`.
    ///
    /// # Errors
    /// Git would not accept it, or it has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| Err(InvalidName::new(KIND, text, problem, EXPECTED));
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > MAX_BYTES {
            return refuse("is longer than 200 bytes");
        }
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'#')
        };
        if !text.bytes().all(allowed) {
            return refuse("has a character that is not allowed");
        }
        if !text.as_bytes()[0].is_ascii_alphanumeric() {
            return refuse("does not start with a letter or digit");
        }
        let component_ok = |part: &str| {
            !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock")
        };
        if !text.split('/').all(component_ok) || text.contains("..") {
            return refuse("is not a name that git accepts");
        }
        if text.starts_with("refs/") || text == "HEAD" {
            return refuse("is reserved by git");
        }
        Ok(Self(text.to_owned()))
    }

    /// Default branch of an item: `whim/<issue number>-<slug of the title>-<short id>`, with the prefix `whim/`.
    pub fn for_item(prefix: &BranchPrefix, id: WorkItemId, issue: Option<IssueNumber>, title: &str) -> Self {
        let mut parts: Vec<String> = issue.map(|number| number.to_string()).into_iter().collect();
        let slug = slug(title);
        if !slug.is_empty() {
            parts.push(slug);
        }
        parts.push(id.short());
        Self(format!("{prefix}{}", parts.join("-")))
    }
}

/// What the names of the branches begin with that Whim creates. At most 100 bytes; together with a name it is a
/// [`BranchName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchPrefix(String);

impl BranchPrefix {
    const MAX_BYTES: usize = 100;

    /// # Errors
    /// No branch name can begin like that.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| Err(InvalidName::new("branch prefix", text, problem, PREFIX_EXPECTED));
        if text.len() > Self::MAX_BYTES {
            return refuse("is longer than 100 bytes");
        }
        match BranchName::parse(&format!("{text}0")) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => refuse("cannot begin the name of a branch"),
        }
    }
}

impl Default for BranchPrefix {
    fn default() -> Self {
        Self("whim/".to_owned())
    }
}

impl std::fmt::Display for BranchPrefix {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for BranchPrefix {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

/// Lower-case letters and digits of a title, joined with hyphens; at most 40 bytes, cut between words.
fn slug(title: &str) -> String {
    const MAX_SLUG: usize = 40;
    let mut slug = String::new();
    for word in title
        .to_ascii_lowercase()
        .split(|character: char| !character.is_ascii_alphanumeric())
    {
        if word.is_empty() {
            continue;
        }
        let separator = usize::from(!slug.is_empty());
        if slug.len() + separator + word.len() > MAX_SLUG {
            if slug.is_empty() {
                slug.push_str(&word[..MAX_SLUG]);
            }
            break;
        }
        if separator == 1 {
            slug.push('-');
        }
        slug.push_str(word);
    }
    slug
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_are_accepted() {
        for text in [
            "main",
            "ai/add-hello-endpoint",
            "whim/42-x-1a2b3c4d",
            "v1.2.3",
            "feature/a_b",
            "fix-#12",
            "c++",
        ] {
            assert!(BranchName::parse(text).is_ok(), "{text:?} was refused");
        }
    }

    // The list of claude-code-action's branch validation tests, and git's own rules.
    #[test]
    fn names_that_could_harm_are_refused() {
        for text in [
            "",
            "-x",
            "--upload-pack=x",
            "a b",
            "a$(id)",
            "a`id`",
            "a;id",
            "a&&b",
            "a|b",
            "a>b",
            "a<b",
            "a\nb",
            "a\tb",
            "a\0b",
            "a\x7fb",
            "../x",
            "a..b",
            "a/../b",
            "a.lock",
            "a.lock/b",
            "a/.b",
            "a.",
            "a/",
            "/a",
            "a//b",
            "a@{1}",
            "@",
            "a~1",
            "a^",
            "a:b",
            "a?b",
            "a*b",
            "a[b",
            "a\\b",
            "HEAD",
            "refs/heads/x",
            "ä",
            "a'b",
            "a\"b",
            "a!b",
            "a{b}",
            "a(b)",
            "a%b",
            ".a",
            "#a",
            "+a",
        ] {
            assert!(BranchName::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(BranchName::parse(&"a".repeat(201)).is_err());
    }

    #[test]
    fn the_branch_of_an_issue_names_its_number_and_title() {
        let id = WorkItemId::new();
        let prefix = BranchPrefix::default();
        let branch = BranchName::for_item(
            &prefix,
            id,
            IssueNumber::new(42),
            "Add a `hello` endpoint; $(touch x)",
        );
        assert_eq!(
            branch.as_str(),
            format!("whim/42-add-a-hello-endpoint-touch-x-{}", id.short())
        );
        assert_eq!(
            BranchName::for_item(&prefix, id, None, "日本語").as_str(),
            format!("whim/{}", id.short())
        );
    }

    #[test]
    fn a_prefix_begins_a_valid_name() {
        for text in ["whim/", "bot-", "a/b/", "", "x"] {
            assert!(BranchPrefix::parse(text).is_ok(), "{text:?} was refused");
        }
        for text in ["-", "/", "a//", "a b", "refs/heads/", "a..", &"a".repeat(101)] {
            assert!(BranchPrefix::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn any_title_gives_a_valid_branch(
            title in ".*",
            number in proptest::option::of(1_u64..1_000_000),
            prefix in "[a-z]{1,9}[/-]?",
        ) {
            let prefix = BranchPrefix::parse(&prefix).unwrap();
            let branch = BranchName::for_item(&prefix, WorkItemId::new(), number.and_then(IssueNumber::new), &title);
            prop_assert_eq!(BranchName::parse(branch.as_str()), Ok(branch));
        }

        #[test]
        fn what_is_accepted_never_looks_like_an_option(text in ".{0,40}") {
            if let Ok(branch) = BranchName::parse(&text) {
                prop_assert!(!branch.as_str().starts_with('-'));
                prop_assert!(!branch.as_str().contains(char::is_whitespace));
            }
        }
    }
}
