//! Patterns that are written in this crate.

use regex::Regex;

#[expect(
    clippy::expect_used,
    reason = "the patterns are literals, and the tests compile each of them"
)]
pub(super) fn pattern(literal: &str) -> Regex {
    Regex::new(literal).expect("a pattern of this crate compiles")
}
