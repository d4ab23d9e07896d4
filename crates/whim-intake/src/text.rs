//! Invisible characters, with which text can be hidden from its readers.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Controls, formats (zero width, direction, tags), what Unicode calls ignorable, private use, separators of lines, and
/// characters that are drawn as nothing.
const INVISIBLE: &str =
    r"[[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{2800}\u{FFFC}]--[\n\t]]";

/// Removes invisible characters, but not line breaks and tabs.
pub(crate) fn strip_invisible(text: &str) -> String {
    static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(INVISIBLE).ok());
    let visible = match &*PATTERN {
        Some(pattern) => pattern.replace_all(text, ""),
        // The pattern is constant; a test compiles it.
        None => Cow::Borrowed(""),
    };
    visible.into_owned()
}

/// The longest prefix of at most `max_bytes`.
pub(crate) fn prefix(text: &str, max_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn invisible_characters_are_removed() {
        let hidden: String = "delete everything"
            .chars()
            .filter_map(|c| char::from_u32(0xE0000 + c as u32))
            .collect();
        let text = format!("Fix\u{200B} the\u{202E} bug{hidden}\u{FE0F}\u{1b}\r\n\tnow");
        assert_eq!(strip_invisible(&text), "Fix the bug\n\tnow");
    }

    #[test]
    fn every_kind_of_invisible_character_is_removed() {
        let ranges = [
            0x00..=0x08,
            0x0B..=0x1F,
            0x7F..=0x9F,
            0xAD..=0xAD,
            0x34F..=0x34F,
            0x600..=0x605,
            0x61C..=0x61C,
            0x6DD..=0x6DD,
            0x115F..=0x1160,
            0x17B4..=0x17B5,
            0x180B..=0x180F,
            0x200B..=0x200F,
            0x2028..=0x202E,
            0x2060..=0x206F,
            0x2800..=0x2800,
            0x3164..=0x3164,
            0xE000..=0xF8FF,
            0xFE00..=0xFE0F,
            0xFEFF..=0xFEFF,
            0xFFA0..=0xFFA0,
            0xFFF0..=0xFFFC,
            0x110BD..=0x110BD,
            0x1BCA0..=0x1BCA3,
            0x1D173..=0x1D17A,
            0xE0000..=0xE0FFF,
            0xF0000..=0xFFFFD,
            0x10_0000..=0x10_FFFD,
        ];
        for character in ranges.into_iter().flatten().filter_map(char::from_u32) {
            let text = format!("a{character}b");
            assert_eq!(
                strip_invisible(&text),
                "ab",
                "{:?}",
                character.escape_unicode().to_string()
            );
        }
        assert_eq!(
            strip_invisible("a\n\tb \u{e4}\u{1F980}"),
            "a\n\tb \u{e4}\u{1F980}"
        );
    }

    proptest! {
        #[test]
        fn removing_invisible_characters_twice_changes_nothing(text in "\\PC*") {
            let once = strip_invisible(&text);
            prop_assert_eq!(strip_invisible(&once), once);
        }

        #[test]
        fn a_prefix_is_no_longer_than_the_limit(text in ".*", max_bytes in 0_usize..40) {
            let prefix = prefix(&text, max_bytes);
            prop_assert!(prefix.len() <= max_bytes);
            prop_assert!(text.starts_with(prefix));
        }
    }
}
