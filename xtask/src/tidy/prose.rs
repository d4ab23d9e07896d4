//! The comments and string literals of a Rust file.

/// The text of comments and string literals, by line. A literal of several lines gives each of them.
pub(crate) fn in_rust(source: &str) -> Vec<(usize, String)> {
    let mut scanner = Scanner {
        rest: source,
        line: 1,
        found: Vec::new(),
    };
    while !scanner.rest.is_empty() {
        scanner.step();
    }
    scanner.found
}

struct Scanner<'source> {
    rest: &'source str,
    line: usize,
    found: Vec<(usize, String)>,
}

impl Scanner<'_> {
    fn step(&mut self) {
        if self.rest.starts_with("//") {
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.take_text(0, end, 0);
        } else if self.rest.starts_with("/*") {
            let end = self.rest.find("*/").unwrap_or(self.rest.len());
            self.take_text(0, end, 0);
        } else if let Some(hashes) = raw_string(self.rest) {
            let begin = hashes + 2;
            let close = format!("\"{}", "#".repeat(hashes));
            let length = self.rest[begin..].find(&close).unwrap_or(self.rest.len() - begin);
            self.take_text(begin, begin + length, close.len());
        } else if self.rest.starts_with('"') {
            let length = string_length(&self.rest[1..]);
            self.take_text(1, 1 + length, 1);
        } else if let Some(length) = character(self.rest) {
            self.skip(length);
        } else if self.rest.starts_with(is_word) {
            // A whole identifier, so that its last letter is not taken for the prefix of a raw string.
            self.skip_word();
        } else {
            self.skip(self.rest.chars().next().map_or(1, char::len_utf8));
        }
    }

    fn skip_word(&mut self) {
        let word = self.rest.find(|character| !is_word(character));
        self.skip(word.unwrap_or(self.rest.len()));
    }

    fn skip(&mut self, length: usize) {
        let (before, after) = self.rest.split_at(length);
        self.line += before.matches('\n').count();
        self.rest = after;
    }

    /// Takes `begin..end` as text, and skips `closing` bytes after it.
    fn take_text(&mut self, begin: usize, end: usize, closing: usize) {
        self.skip(begin);
        let text = &self.rest[..end - begin];
        for (index, line) in text.lines().enumerate() {
            self.found.push((self.line + index, line.to_owned()));
        }
        self.skip((end - begin + closing).min(self.rest.len()));
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How many `#` a raw string literal at the beginning of `text` has.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// The length of a string literal without its quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    text.find(|character| {
        let ends = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    })
    .unwrap_or(text.len())
}

/// The length of a character literal at the beginning of `text`; a lifetime is none.
fn character(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    let first = rest.chars().next()?;
    if first == '\\' {
        return rest[2..].find('\'').map(|end| end + 4);
    }
    rest[first.len_utf8()..]
        .starts_with('\'')
        .then_some(first.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(usize, String)> {
        in_rust(source)
    }

    fn expected(texts: &[(usize, &str)]) -> Vec<(usize, String)> {
        texts
            .iter()
            .map(|(line, text)| (*line, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn comments_and_literals_are_found_with_their_lines() {
        let source = "/// Doc\nfn a() { b(\"one\\\" two\"); } // end\n/* block\n   more */ let c = r#\"raw \" text\"#;";
        assert_eq!(
            texts(source),
            expected(&[
                (1, "/// Doc"),
                (2, "one\\\" two"),
                (2, "// end"),
                (3, "/* block"),
                (4, "   more "),
                (4, "raw \" text"),
            ])
        );
    }

    #[test]
    fn quotes_of_characters_and_lifetimes_open_no_literal() {
        let source = "let a: &'static str = f('\"', '\\'', b'\"'); let b = \"text\";";
        assert_eq!(texts(source), expected(&[(1, "text")]));
    }

    #[test]
    fn a_literal_of_several_lines_gives_each_line() {
        assert_eq!(
            texts("a(\n\"one\\\n two\")\n// after"),
            expected(&[(2, "one\\"), (3, " two"), (4, "// after")])
        );
    }
}
