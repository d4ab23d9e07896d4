//! Text of others in a comment.

use crate::text;

/// A text of an agent, a test runner or a caller, in a code fence that it cannot close: it mentions no one, closes no issue
/// and renders no Markdown.
pub(super) fn fenced(text: &str, max_bytes: usize) -> String {
    let text = text::strip_invisible(text);
    let text = text.trim();
    let mut shown = text::prefix(text, max_bytes).to_owned();
    if shown.len() < text.len() {
        shown.push('…');
    }
    let longest_run = shown
        .split(|character| character != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest_run.max(2) + 1);
    format!("{fence}text\n{shown}\n{fence}")
}

/// A name in a line, without a mention.
pub(super) fn name(login: &str) -> String {
    let name: String = text::strip_invisible(login)
        .chars()
        .filter(|character| !matches!(character, '`' | '\n'))
        .collect();
    format!("`{name}`")
}
