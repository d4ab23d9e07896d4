//! Sections that are recognised by their name: technical notes (refused) and examples (may contain code).

use std::sync::LazyLock;

use regex::Regex;

use super::pattern::pattern;
use crate::spec::blocks::{Block, Role};

static TECHNICAL_NOTES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?xi) ^ [^\p{L}]*
        (?: (?: technical | tech | implementation | coding | code | developer | engineering )
            \s+ (?: and \s+ implementation \s+ )?
            (?: notes? | details? | hints? | guidance | specifics | approach | steps | instructions | considerations )
          | implementation \s+ (?: plan | guide | guidelines )
          | (?: notes | hints ) \s+ (?: for | on | about ) \s+ (?: the \s+ )? (?: implementation | implementer | developer )s?
          | how \s+ to \s+ implement (?: \s+ (?: it | this ) )? )
        \s* (?: : | $ )",
    )
});

/// A heading, or a label in a text (`**Technical notes:** …`).
pub(super) fn is_technical_notes(plain: &str) -> bool {
    TECHNICAL_NOTES.is_match(plain)
}

static EXAMPLE_HEADING: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\b(?:examples?|samples?)\b"));

/// A text that announces an example: `Example:`, `The answer, for example:`, `Example request:`.
static EXAMPLE_LABEL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)(?:\b(?:examples?|samples?|for instance)\b|\be\.g\.)[^.;:]{0,80}:\s*$|^\W*examples?\W*$")
});

/// Tracks which blocks of a document belong to an example.
#[derive(Default)]
pub(super) struct ExampleScope {
    /// Level of the heading that opened the current section of examples.
    section: Option<u8>,
    /// Whether the text before announces an example.
    is_announced: bool,
}

impl ExampleScope {
    /// Whether `block`, the next one, is part of an example.
    pub(super) fn enter(&mut self, block: &Block) -> bool {
        match block.role {
            Role::Heading { level } => {
                if self.section.is_some_and(|section| level <= section) {
                    self.section = None;
                }
                // A title that mentions examples does not make the whole document one.
                if self.section.is_none() && level > 1 && EXAMPLE_HEADING.is_match(&block.plain) {
                    self.section = Some(level);
                }
                self.is_announced = false;
                self.section.is_some()
            }
            Role::Task { .. } | Role::Detail | Role::Prose => {
                self.is_announced = EXAMPLE_LABEL.is_match(&block.plain);
                self.section.is_some()
            }
            // A request and its response may share one label.
            Role::FencedCode | Role::IndentedCode => self.section.is_some() || self.is_announced,
        }
    }
}
