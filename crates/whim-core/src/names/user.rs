use serde::{Deserialize, Serialize};

use super::{InvalidName, text_name};

/// A requester: a GitHub login, or a user name of another source. Compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(
        example = "octocat",
        pattern = "^[A-Za-z0-9_.@+\\[\\]][A-Za-z0-9_.@+\\[\\]-]{0,99}$",
    )
)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(try_from = "String", into = "String")]
pub struct UserName(String);

text_name!(UserName);

impl UserName {
    /// Parses 1 to 100 ASCII letters, digits and `- _ . @ + [ ]`, not starting with `-`: logins of GitHub users and apps
    /// (`dependabot[bot]`), and e-mail addresses.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b'+' | b'[' | b']')
        };
        let fits = (1..=100).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if !fits {
            return Err(InvalidName::new(
                "user",
                text,
                "is not a user's name",
                "1 to 100 letters, digits and `- _ . @ + [ ]`, for example `octocat`",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_of_people_and_apps_and_addresses_are_names_and_nothing_else_is() {
        for name in [
            "octocat",
            "Mona-Lisa_corp",
            "dependabot[bot]",
            "ana+whim@example.org",
        ] {
            assert_eq!(UserName::parse(name).unwrap().as_str(), name);
        }
        for text in ["", "-rf", "two words", "a/b", "ä", "a\0b", &"x".repeat(101)] {
            assert!(UserName::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
