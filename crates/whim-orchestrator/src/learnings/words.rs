//! Words of a text for the search: stems of ordinary words, and names as they are.

use std::collections::BTreeSet;

use rust_stemmers::{Algorithm, Stemmer};

/// Longer tokens are hashes or encoded data.
const MAX_CHARACTERS: usize = 64;

/// The distinct words of a text, sorted. A name with punctuation inside, such as `next.config.js`, is a word as a whole, and
/// so is each of its parts.
pub fn words(text: &str) -> Vec<String> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut words = BTreeSet::new();
    for token in text.split(char::is_whitespace) {
        let token = token.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        let parts = token
            .split(|c: char| !c.is_alphanumeric())
            .filter(|part| !part.is_empty());
        for part in parts {
            if part.len() < 2 || STOP_WORDS.contains(&part) || part.len() > MAX_CHARACTERS {
                continue;
            }
            words.insert(stemmer.stem(part).into_owned());
        }
        let is_name = token.contains(|c: char| !c.is_alphanumeric());
        if is_name && token.len() <= MAX_CHARACTERS {
            words.insert(token);
        }
    }
    words.into_iter().collect()
}

/// Words that say nothing about the subject.
const STOP_WORDS: [&str; 60] = [
    "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because", "been",
    "before", "but", "by", "can", "do", "does", "for", "from", "get", "has", "have", "if", "in", "into",
    "is", "it", "its", "may", "must", "need", "needs", "no", "not", "of", "on", "only", "or", "our", "so",
    "some", "than", "that", "the", "their", "then", "there", "they", "this", "to", "too", "use", "was", "we",
    "when", "which", "with", "you",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_words_as_a_whole_and_in_parts() {
        assert_eq!(
            words("Hosts of `next.config.js`, (see images.remotePatterns)."),
            [
                "config",
                "host",
                "imag",
                "images.remotepatterns",
                "js",
                "next",
                "next.config.js",
                "remotepattern",
                "see"
            ]
        );
    }

    #[test]
    fn inflected_words_have_the_same_stem() {
        assert_eq!(words("migrations migrated"), words("migrate migration migrating"));
    }
}
