//! Text on one line.

/// Runs of white space become one space, so that a wrapped line compares equal to the unwrapped one.
pub(super) fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
