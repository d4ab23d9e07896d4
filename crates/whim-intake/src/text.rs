//! Invisible characters, with which text can be hidden from its readers.

/// Removes invisible characters, but not line breaks and tabs.
pub(crate) fn strip_invisible(text: &str) -> String {
    text.chars()
        .filter(|&character| !is_invisible(character))
        .collect()
}

fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        // Zero-width characters and direction marks, embeddings, overrides and isolates.
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}'
        // Variation selectors and the block of tags.
        | '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E0FFF}'
    ) || (character.is_control() && !matches!(character, '\n' | '\t'))
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

    proptest! {
        #[test]
        fn no_invisible_character_is_left(text in ".*") {
            prop_assert!(!strip_invisible(&text).chars().any(is_invisible));
        }

        #[test]
        fn a_prefix_is_no_longer_than_the_limit(text in ".*", max_bytes in 0_usize..40) {
            let prefix = prefix(&text, max_bytes);
            prop_assert!(prefix.len() <= max_bytes);
            prop_assert!(text.starts_with(prefix));
        }
    }
}
