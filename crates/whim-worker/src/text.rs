//! Shortening and wording of messages.

/// Truncates to `limit` characters and appends `…` if anything was cut.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// The last `limit` characters at most, starting at the beginning of a line if possible.
pub(crate) fn tail(text: &str, limit: usize) -> &str {
    let count = text.chars().count();
    if count <= limit {
        return text;
    }
    let start = text
        .char_indices()
        .nth(count - limit)
        .map_or(0, |(start, _)| start);
    let tail = &text[start..];
    match tail.split_once('\n') {
        Some((_, lines)) if !lines.is_empty() => lines,
        Some(_) | None => tail,
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_truncated_between_characters() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äöü…");
    }

    #[test]
    fn the_tail_of_a_text_starts_with_a_whole_line() {
        assert_eq!(tail("one\ntwo\nthree", 8), "three");
        assert_eq!(tail("one", 8), "one");
        assert_eq!(tail("äöüß", 2), "üß");
    }
}
