//! The normal form of a text, and what must be equal in it for two texts to say the same.

use sha2::{Digest as _, Sha256};

/// SHA-256 of a text without case, repeated spaces and final punctuation.
pub(super) fn hash(text: &str) -> Vec<u8> {
    let lower = text.to_lowercase();
    let normal: Vec<&str> = lower.split_whitespace().collect();
    let normal = normal.join(" ");
    Sha256::digest(normal.trim_end_matches(['.', '!', ';', ' ']).as_bytes()).to_vec()
}

/// The parts of a text whose change reverses or redirects it, in their order: "`a` instead of `b`" is not "`b` instead of
/// `a`". Embeddings hardly notice them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts {
    numbers: Vec<String>,
    names: Vec<String>,
    negations: usize,
}

/// What differs between two texts that are near each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// Nothing that matters.
    None,
    /// Another name, or another order of them: another case of the same advice.
    Name,
    /// Another number or a negation: one of them may be wrong.
    Contradiction,
}

impl Facts {
    pub(super) fn of(text: &str) -> Self {
        let lower = text.to_lowercase();
        let tokens = || {
            lower
                .split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '\'' | '’' | '-' | '_')))
                .map(|token| token.trim_matches(['.', '\'', '-']))
                .filter(|token| !token.is_empty())
        };
        let numbers = tokens().filter(|token| token.starts_with(|c: char| c.is_ascii_digit()));
        let negations = tokens()
            .filter(|token| NEGATIONS.contains(token) || token.ends_with("n't") || token.ends_with("n’t"));
        Self {
            numbers: numbers.map(str::to_owned).collect(),
            names: quoted(text).map(str::to_owned).collect(),
            // "Never X without Y" says the same as "X only with Y".
            negations: negations.count() % 2,
        }
    }

    pub(super) fn difference(&self, other: &Self) -> Difference {
        if self.numbers != other.numbers || self.negations != other.negations {
            Difference::Contradiction
        } else if self.names != other.names {
            Difference::Name
        } else {
            Difference::None
        }
    }
}

/// Names in backquotes, as paths: without a line number and a final slash. The worker checks which are files.
pub(super) fn cited(text: &str) -> impl Iterator<Item = &str> {
    quoted(text).map(|name| {
        let path = name.trim().split(':').next().unwrap_or_default();
        path.trim_end_matches('/')
    })
}

/// Names in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| !name.trim().is_empty())
}

const NEGATIONS: [&str; 11] = [
    "no",
    "not",
    "never",
    "none",
    "without",
    "cannot",
    "avoid",
    "nothing",
    "neither",
    "instead",
    "forbidden",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_hash() {
        assert_eq!(hash("Run  `make test`.\n"), hash("run `make test`"));
        assert_ne!(hash("Run `make test`"), hash("Run `make lint`"));
    }

    #[test]
    fn a_negation_or_another_number_contradicts() {
        let difference = |a: &str, b: &str| Facts::of(a).difference(&Facts::of(b));
        for (a, b, expected) in [
            ("Use `npm ci`", "Never use `npm ci`", Difference::Contradiction),
            ("Do use X", "Don't use X", Difference::Contradiction),
            ("Wait 10 s", "Wait 30 s", Difference::Contradiction),
            (
                "Node 20.1 is needed",
                "Node 20.2 is needed",
                Difference::Contradiction,
            ),
            ("Run `make a`", "Run `make b`", Difference::Name),
            ("Run `make a` first", "First run `make a`", Difference::None),
            (
                "Use `npm` instead of `yarn`",
                "Use `yarn` instead of `npm`",
                Difference::Name,
            ),
            (
                "Map port 80 to port 8080",
                "Map port 8080 to port 80",
                Difference::Contradiction,
            ),
        ] {
            assert_eq!(difference(a, b), expected, "{a} / {b}");
        }
    }
}
