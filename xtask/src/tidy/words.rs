//! Words that do not belong in text that users and contributors read, with the term to use.

use regex::Regex;

use super::finding::{Finding, Rule};
use super::prose;
use crate::workspace::SourceFile;

/// Pattern, and the term to use instead.
const WORDS: [(&str, &str); 12] = [
    ("told|tells?", "reported, sent, received or recorded"),
    ("nobody", "no one, or a passive sentence"),
    (
        "somebody",
        "someone, or what they are: a user, a contributor, a caller",
    ),
    ("whoever", "what they are: a user, a caller, a client"),
    ("spared?|spares", "an open breaker; excluded"),
    ("beats?", "heartbeat"),
    ("pok(e|es|ed|ing)", "wake, notify"),
    ("look(s|ed|ing)? (at|for)|looks", "poll, query, read or check"),
    ("mend(s|ed|ing)?", "fix, repair or normalise"),
    ("leftovers", "garbage, orphans"),
    ("anew|how-manieth", "again, from scratch; the number"),
    ("(is|are|was|were) away", "unavailable"),
];

/// Files that are text as a whole. Rust files are text in their comments and string literals.
const TEXT: [&str; 8] = ["md", "sql", "yml", "yaml", "sh", "lua", "toml", "example"];

pub(crate) fn findings(sources: &[SourceFile]) -> anyhow::Result<Vec<Finding>> {
    let any = WORDS.map(|(word, _)| word).join("|");
    let any = Regex::new(&format!(r"(?i)\b({any})\b"))?;
    let each = WORDS
        .iter()
        .map(|(word, term)| Ok((Regex::new(&format!(r"(?i)^({word})$"))?, *term)))
        .collect::<Result<Vec<_>, regex::Error>>()?;
    let term_for = |found: &str| {
        each.iter()
            .find(|(word, _)| word.is_match(found))
            .map_or("another word", |(_, term)| term)
    };
    Ok(sources
        .iter()
        .flat_map(|file| {
            lines(file)
                .into_iter()
                .map(move |(line, text)| (file.path.as_str(), line, text))
        })
        .flat_map(|(path, line, text)| {
            let words: Vec<String> = any
                .find_iter(&text)
                .map(|found| found.as_str().to_owned())
                .collect();
            words.into_iter().map(move |word| (path, line, word))
        })
        .map(|(path, line, word)| {
            Finding::new(
                path,
                line,
                Rule::Word,
                format!("`{word}`: use {}", term_for(&word)),
            )
        })
        .collect())
}

/// The text of a file, by line.
fn lines(file: &SourceFile) -> Vec<(usize, String)> {
    let extension = file.path.rsplit_once('.').map_or("", |(_, extension)| extension);
    if extension == "rs" {
        prose::in_rust(&file.text)
    } else if TEXT.contains(&extension) {
        let lines = file.text.lines().enumerate();
        lines.map(|(index, line)| (index + 1, line.to_owned())).collect()
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        findings(&[file])
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_word_is_found_with_its_line_and_the_term_to_use() {
        assert_eq!(
            found("docs/a.md", "# A\n\nNobody is told.\n"),
            [
                "docs/a.md:3: word: `Nobody`: use no one, or a passive sentence",
                "docs/a.md:3: word: `told`: use reported, sent, received or recorded",
            ]
        );
    }

    #[test]
    fn names_in_code_and_longer_words_are_no_words() {
        let code = "/// A teller.\nfn told(spared: u8) -> bool { spared == HEARTBEATS }\n";
        assert_eq!(found("crates/a/src/lib.rs", code), [""; 0]);
        assert_eq!(found("README.md", "heartbeat, `a_test_that_is_told_so`"), [""; 0]);
    }

    #[test]
    fn comments_and_messages_in_code_are_checked() {
        let code = "// Pokes it.\nlet a = \"the engine is away\";\n";
        assert_eq!(found("crates/a/src/lib.rs", code).len(), 2);
    }

    #[test]
    fn data_is_not_checked() {
        assert_eq!(found("crates/a/tests/captures/a.jsonl", "told"), [""; 0]);
        assert_eq!(found("LICENSE", "told"), [""; 0]);
    }
}
