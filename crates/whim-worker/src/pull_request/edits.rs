//! Recognises what people changed in a pull request of Whim's. The end of Whim's part of the body is marked, with digests of that
//! part and of the title. What follows the mark belongs to people.

use sha2::{Digest as _, Sha256};

const BEFORE_BODY: &str = "<!-- whim:report body=";
const BEFORE_TITLE: &str = " title=";
const END: &str = " -->";
const DIGEST_CHARACTERS: usize = 16;

/// The part of people, if there is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edits {
    /// The title differs from Whim's.
    pub(super) title: bool,
    /// Whim's part of the body differs, or its mark is gone.
    pub(super) body: bool,
    /// What follows Whim's part.
    pub(super) rest: String,
}

/// Adds the mark to Whim's part of a body.
pub(super) fn marked(report: &str, title: &str) -> String {
    let (body, title) = (digest(report), digest(title));
    format!("{report}\n\n{BEFORE_BODY}{body}{BEFORE_TITLE}{title}{END}")
}

impl Edits {
    pub(super) fn of(title: &str, body: &str) -> Self {
        let Some((report, body_digest, title_digest, rest)) = parse(body) else {
            return Self {
                title: true,
                body: true,
                rest: String::new(),
            };
        };
        Self {
            title: digest(title) != title_digest,
            body: digest(report) != body_digest,
            rest: rest.trim().to_owned(),
        }
    }
}

fn parse(body: &str) -> Option<(&str, &str, &str, &str)> {
    let (report, rest) = body.split_once(BEFORE_BODY)?;
    let (mark, rest) = rest.split_once(END)?;
    let (body_digest, title_digest) = mark.split_once(BEFORE_TITLE)?;
    Some((report, body_digest, title_digest, rest))
}

/// GitHub may change the ends of lines, and spaces around the text.
fn digest(text: &str) -> String {
    let mut hash = Sha256::new();
    for line in text.trim().lines() {
        hash.update(line.trim_end());
        hash.update("\n");
    }
    let mut hex = format!("{:x}", hash.finalize());
    hex.truncate(DIGEST_CHARACTERS);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_changed_is_recognised() {
        let body = marked("It greets.\n\n## Tasks", "Say hello");
        let edits = |title: &str, body: &str| {
            let Edits { title, body, rest } = Edits::of(title, body);
            (title, body, rest)
        };
        assert_eq!(edits("Say hello", &body), (false, false, String::new()));
        assert_eq!(
            edits(
                "Say hello",
                &format!("{}\r\n\r\n- [x] tested\r\n", body.replace('\n', "\r\n"))
            ),
            (false, false, "- [x] tested".to_owned())
        );
        assert_eq!(edits("Greet", &body), (true, false, String::new()));
        assert_eq!(
            edits("Say hello", &body.replace("greets", "waves")),
            (false, true, String::new())
        );
        assert_eq!(edits("Say hello", "It greets."), (true, true, String::new()));
    }
}
