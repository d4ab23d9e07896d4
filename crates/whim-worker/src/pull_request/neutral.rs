//! Texts from outside that do nothing on GitHub: nobody is called, nothing is closed, nothing is hidden.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::text::shorten;

/// Invisible; breaks what GitHub would act on, and leaves what a person reads.
const BREAK: char = '\u{200b}';

static ACTIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        // A mention; the `@` of an address stands behind a letter and counts too.
        r"(?<mention>@)",
        // An issue here or elsewhere: `#12`, `GH-12`.
        r"|(?<issue>#|\b(?i:GH-))(?<number>\d)",
        // A comment or an element.
        r"|(?<element><)",
        // A word that closes an issue.
        r"|\b(?<word>(?i:close[sd]?|fix(?:e[sd])?|resolve[sd]?))\b",
    ))
    .ok()
});

/// One line, without anything that GitHub acts on, and without invisible characters.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .filter(|character| !is_invisible(*character))
        .collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    inert(&shorten(&line, limit))
}

/// The same for a text of several lines.
pub(super) fn paragraph(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .filter(|character| *character == '\n' || !is_invisible(*character))
        .collect();
    inert(&shorten(visible.trim(), limit))
}

/// A piece of code within a line.
pub(super) fn code(text: &str, limit: usize) -> String {
    format!("`{}`", one_line(text, limit).replace('`', "'"))
}

fn inert(text: &str) -> String {
    let Some(active) = ACTIVE.as_ref() else {
        return String::new();
    };
    let broken = active.replace_all(text, |found: &Captures<'_>| {
        let group = |name: &str| found.name(name).map_or("", |part| part.as_str());
        if found.name("mention").is_some() {
            return format!("@{BREAK}");
        }
        if found.name("element").is_some() {
            return format!("<{BREAK}");
        }
        if found.name("issue").is_some() {
            return format!("{}{BREAK}{}", group("issue"), group("number"));
        }
        let word = group("word");
        let behind = found.get(0).map_or("", |part| &text[part.end()..]);
        if names_an_issue(behind) {
            let (first, rest) = word.split_at(1);
            return format!("{first}{BREAK}{rest}");
        }
        word.to_owned()
    });
    broken.into_owned()
}

/// Whether a text begins, after a colon or white space, with what could be an issue: `#1`, `GH-1`, `a/b#1`, a page.
fn names_an_issue(text: &str) -> bool {
    let issue = text.trim_start_matches(':').trim_start();
    let word = issue.split_whitespace().next().unwrap_or_default();
    issue.len() < text.len() && (word.contains('#') || word.contains("://") || word.starts_with("GH-"))
}

/// Control characters, and the invisible ones that can carry hidden instructions or turn the order of a text
/// (`ATTACKS.md`, row 14).
fn is_invisible(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(
            character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_a_text_acts() {
        let show = |text: &str| one_line(text, 200).replace(BREAK, "¦");
        assert_eq!(show("ask @octocat and @org/team"), "ask @¦octocat and @¦org/team");
        assert_eq!(show("Fixes #12, closes: GH-7"), "F¦ixes #¦12, c¦loses: GH-¦7");
        assert_eq!(show("resolved other/repo#3"), "r¦esolved other/repo#¦3");
        assert_eq!(
            show("fix https://github.com/a/b/issues/1"),
            "f¦ix https://github.com/a/b/issues/1"
        );
        assert_eq!(
            show("a <!-- hidden --> b <img src=x>"),
            "a <¦!-- hidden --> b <¦img src=x>"
        );
        assert_eq!(show("two\nlines\u{202e} \u{e0041}x\0"), "two lines x");
    }

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in [
            "Add `hello()` to src/lib.rs",
            "C# and F#",
            "prefix, fixture",
            "1 < 2",
        ] {
            assert_eq!(one_line(text, 200).replace(BREAK, ""), text);
        }
        assert_eq!(one_line("prefix, fixture", 200), "prefix, fixture");
    }

    #[test]
    fn code_cannot_end_itself() {
        assert_eq!(code("npm `x` test", 50), "`npm 'x' test`");
    }

    proptest! {
        #[test]
        fn no_text_mentions_anybody_or_names_an_issue(text in ".{0,60}") {
            let inert = one_line(&text, 100);
            let active = Regex::new(r"@\w|#\d|GH-\d|<[!/a-zA-Z]").unwrap();
            prop_assert!(!active.is_match(&inert), "{inert}");
        }
    }
}
