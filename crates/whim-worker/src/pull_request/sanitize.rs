//! Makes untrusted text inert on GitHub: it mentions no one, closes no issue, and contains no hidden text.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::text::shorten;

/// A zero-width space: invisible, but GitHub does not recognise references that contain it.
const BREAK: char = '\u{200b}';

static ACTIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        // A mention. The `@` of an email address is included.
        r"(?<mention>@)",
        // A reference to an issue or pull request: `#12`, `GH-12`.
        r"|(?<issue>#|\b(?i:GH-))(?<number>\d)",
        // An HTML comment or element.
        r"|(?<element><)",
        // A keyword that closes an issue.
        r"|\b(?<keyword>(?i:close[sd]?|fix(?:e[sd])?|resolve[sd]?))\b",
    ))
    .ok()
});

/// Joins the lines, removes invisible characters and makes references inert. The result has at most `limit` characters, and
/// an ellipsis.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .filter(|character| !is_invisible(*character))
        .collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    inert_within(&line, limit)
}

/// Like [`one_line`], but keeps line breaks.
pub(super) fn paragraph(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .filter(|character| *character == '\n' || !is_invisible(*character))
        .collect();
    inert_within(visible.trim(), limit)
}

/// Like [`paragraph`], for a text that must stay prose: no line of it begins a heading, list, quotation, table or code block.
pub(super) fn prose(text: &str, limit: usize) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        let begins_block = line.starts_with(['#', '>', '|', '-', '*', '+', '=', '`', '~', '_'])
            || line.split_once(['.', ')']).is_some_and(|(number, _)| {
                !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
            });
        if begins_block {
            format!("{BREAK}{line}")
        } else {
            line.to_owned()
        }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    // The mark at the start of a line would be removed with other invisible characters.
    let visible: String = text
        .chars()
        .filter(|character| matches!(*character, '\n' | BREAK) || !is_invisible(*character))
        .collect();
    inert_within(visible.trim(), limit)
}

/// Shortened again afterwards, because text grows when it is made inert. What is cut off cannot make the rest active.
fn inert_within(text: &str, limit: usize) -> String {
    shorten(&inert(&shorten(text, limit)), limit)
}

/// Formats as inline code.
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
        let keyword = group("keyword");
        let following = found.get(0).map_or("", |part| &text[part.end()..]);
        if starts_with_issue(following) {
            let (first, rest) = keyword.split_at(1);
            return format!("{first}{BREAK}{rest}");
        }
        keyword.to_owned()
    });
    broken.into_owned()
}

/// Whether a text starts, after a colon or white space, with a reference to an issue: `#1`, `GH-1`, `a/b#1` or a URL.
fn starts_with_issue(text: &str) -> bool {
    let issue = text.trim_start_matches(':').trim_start();
    let word = issue.split_whitespace().next().unwrap_or_default();
    issue.len() < text.len() && (word.contains('#') || word.contains("://") || word.starts_with("GH-"))
}

/// Control characters, and invisible characters that can hide instructions or reorder text (`docs/attacks.md`, row 14).
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
    fn prose_begins_no_block() {
        let text = "Adds it.\n## Checks\n```\n| a | passed |\n- [ ] x\n1. y\n    code\n***\n";
        assert_eq!(
            prose(text, 200).replace(BREAK, "¦"),
            "Adds it.\n¦## Checks\n¦```\n¦| a | passed |\n¦- [ ] x\n¦1. y\ncode\n¦***"
        );
        assert_eq!(prose("Closes #1", 200).replace(BREAK, "¦"), "C¦loses #¦1");
    }

    #[test]
    fn references_and_elements_are_made_inert() {
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
    fn ordinary_texts_are_unchanged() {
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
    fn inline_code_cannot_be_closed_by_its_content() {
        assert_eq!(code("npm `x` test", 50), "`npm 'x' test`");
    }

    proptest! {
        #[test]
        fn no_text_contains_a_mention_or_reference(text in ".{0,60}") {
            let inert = one_line(&text, 100);
            let active = Regex::new(r"@\w|#\d|GH-\d|<[!/a-zA-Z]").unwrap();
            prop_assert!(!active.is_match(&inert), "{inert}");
        }

        #[test]
        fn no_text_exceeds_the_limit_or_becomes_active_where_it_is_cut(
            text in "[@#<a-z1: \n]{0,80}|(@|#1|fixes #2 |<b){0,40}", limit in 1_usize..60
        ) {
            let active = Regex::new(r"@\w|#\d|GH-\d|<[!/a-zA-Z]|(?i)\b(close|fix|resolve)[a-z]*:?\s+#").unwrap();
            for inert in [one_line(&text, limit), paragraph(&text, limit)] {
                prop_assert!(inert.chars().count() <= limit + 1, "{inert}");
                prop_assert!(!active.is_match(&inert), "{inert}");
            }
        }
    }
}
