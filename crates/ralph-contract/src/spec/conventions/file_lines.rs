//! References to a line of a file: `auth.ts:42`.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern::pattern;

/// File extensions. A closed list, because `example.com:8080` has the same form.
const EXTENSIONS: &str = "tsx?|jsx?|mjs|cjs|mts|cts|rs|py|pyi|go|rb|java|kts?|swift|c|h|cc|cpp|cxx|hpp|hh|cs|php|scala|sh|bash|zsh|\
    sql|md|mdx|json|ya?ml|toml|html?|css|scss|sass|less|vue|svelte|exs?|erl|hs|lua|r|pl|pm|dart|proto|tf|gradle|\
    xml|txt|ini|cfg|zig|nim|clj|mli?|fs|jl|ipynb";

/// Files that have no extension.
const NAMES: &str = "Makefile|Dockerfile|Gemfile|Rakefile|Justfile|Jenkinsfile|Procfile";

static FILE_THEN_LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?x)
        (?P<file> (?: [\w@./\\\-\[\]]* [\w\]] \. (?i:{EXTENSIONS}) | \b (?:{NAMES}) ) )
        `?
        (?: : \d+ (?: [:\-–] \d+ )*
          | \#L\d+ (?: -L?\d+ )?
          | ,? \s+ (?: (?:at|on|in) \s+ )? \(? (?i:lines?) \s+ \d+
          | \s* \( (?i:lines? \s+ | L) \d+ )
        \b"
    ))
});

static LINE_THEN_FILE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"(?x)
        \b (?i:lines?) \s+ \d+ (?: \s* (?: - | – | to | and ) \s* \d+ )?
        \s+ (?: of | in ) \s+ (?: the \s+ )? (?: file \s+ )? `?
        [\w@./\\\-]* (?: \w \. (?i:{EXTENSIONS}) | \b (?:{NAMES}) ) \b"
    ))
});

pub(super) fn references(text: &str) -> Vec<Range<usize>> {
    let after = FILE_THEN_LINE
        .find_iter(text)
        .filter(|found| found.as_str().contains("#L") || !is_in_url(text, found.start()));
    after
        .chain(LINE_THEN_FILE.find_iter(text))
        .map(|found| found.range())
        .collect()
}

/// `https://docs.rs:443/…` is a host with a port.
fn is_in_url(text: &str, start: usize) -> bool {
    let before = text[..start]
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or_default();
    before.contains("://") || before.ends_with(':') && text[start..].starts_with("//")
}
