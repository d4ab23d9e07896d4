//! Small helpers for text.

/// The first `limit` bytes of a text, at a character boundary, with a mark where something was cut.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end));
    format!("{}…", &text[..end.unwrap_or_default()])
}

/// The last `limit` bytes of a text, at a character boundary.
pub(crate) fn ending(text: &str, limit: usize) -> &str {
    let start = text.len().saturating_sub(limit);
    let start = (start..=text.len()).find(|&start| text.is_char_boundary(start));
    &text[start.unwrap_or_default()..]
}

/// A count with its noun: `1 task`, `2 tasks`, `1 process`, `2 processes`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let ending = match (count, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{count} {noun}{ending}")
}

/// A length or an index as the type that the contract uses. Saturates.
pub(crate) fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("longer", 4), "long…");
        assert_eq!(shortened("é🦀é", 4), "é…");
        assert_eq!(ending("short", 5), "short");
        assert_eq!(ending("longer", 4), "nger");
        assert_eq!(ending("é🦀é", 4), "é");
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!(counted(1, "process"), "1 process");
        assert_eq!(counted(2, "process"), "2 processes");
        assert_eq!(counted(0, "task"), "0 tasks");
    }
}
