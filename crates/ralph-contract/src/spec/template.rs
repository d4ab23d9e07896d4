//! The template that `ralph init` writes, and the recognition of its placeholders.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::blocks::{Block, Role, blocks};
use super::lines::Lines;
use super::text::on_one_line;

/// A SPEC.md to fill in. Its title, goal, tasks and deliverables are placeholders.
pub const TEMPLATE: &str = include_str!("template.md");

static PLACEHOLDERS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| candidates(TEMPLATE).map(|(text, _range)| text).collect());

/// Where `text` still has placeholders of the template. Any other wording is not a placeholder.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = Range<usize>> {
    candidates(text)
        .filter(|(text, _range)| PLACEHOLDERS.contains(text))
        .map(|(_text, range)| range)
}

/// The line, from 1, of the first placeholder.
pub(super) fn placeholder_line(text: &str) -> Option<usize> {
    let first = placeholders(text).next()?;
    Some(Lines::of(text).number(first.start))
}

/// The texts that a user replaces. The headings of sections stay.
fn candidates(text: &str) -> impl Iterator<Item = (String, Range<usize>)> {
    let is_replaced = |block: &Block| match block.role {
        Role::Heading { level } => level == 1,
        Role::Task { .. } | Role::Detail | Role::Prose => true,
        Role::FencedCode | Role::IndentedCode => false,
    };
    let blocks = blocks(text).into_iter().filter(is_replaced);
    blocks.map(|block| (on_one_line(&text[block.range.clone()]), block.range))
}
