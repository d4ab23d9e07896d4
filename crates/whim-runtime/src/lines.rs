//! Lines of a log.

/// The last `lines` lines of a text.
pub fn last_lines(text: &str, lines: usize) -> &str {
    let end = text.strip_suffix('\n').unwrap_or(text);
    let begin = end.rmatch_indices('\n').nth(lines.saturating_sub(1));
    begin.map_or(text, |(index, _)| &text[index + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_returned() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last_lines("a\nb\nc", 1), "c");
        assert_eq!(last_lines("a\nb\n", 2), "a\nb\n");
        assert_eq!(last_lines("", 5), "");
    }
}
