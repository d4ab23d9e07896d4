//! Checks the conventions of SPEC.md.
//!
//! The rules are heuristics over words, and each accepts a doubtful case: refusing a good spec costs a user time, while
//! accepting one with too much detail costs nothing.

mod file_lines;
mod instructions;
mod pattern;
mod sections;
mod shell;
mod snippets;

use std::collections::BTreeMap;
use std::ops::Range;

use super::blocks::{Block, Role, blocks};
use super::document::SpecDocument;
use super::lines::Lines;
use super::template::placeholders;
use super::text::on_one_line;
use super::violation::{Violation, ViolationKind};

/// Violations that are reported at most. They are part of responses and prompts.
const MAX_VIOLATIONS: usize = 100;

/// Longest excerpt, in characters.
const MAX_EXCERPT: usize = 80;

impl SpecDocument {
    /// Where the document breaks the conventions, from top to bottom.
    pub fn violations(&self) -> Vec<Violation> {
        violations(self)
    }
}

fn violations(document: &SpecDocument) -> Vec<Violation> {
    let mut report = Report {
        text: document.as_str(),
        lines: Lines::of(document.as_str()),
        found: BTreeMap::new(),
    };
    if document.title().is_none() {
        report.add(ViolationKind::NoTitle, 0..0);
    }
    if document.tasks().is_empty() {
        report.add(ViolationKind::NoTasks, 0..0);
    }
    for range in placeholders(document.as_str()) {
        report.add(ViolationKind::Placeholder, range);
    }
    let mut example = sections::ExampleScope::default();
    for block in blocks(document.as_str()) {
        let is_example = example.enter(&block);
        check_block(&block, is_example, &mut report);
    }
    report.into_violations()
}

fn check_block(block: &Block, is_example: bool, report: &mut Report<'_>) {
    match block.role {
        Role::Heading { .. } => {
            if sections::is_technical_notes(&block.plain) {
                report.add(ViolationKind::TechnicalNotesSection, block.range.clone());
            }
            check_file_lines(block, report);
        }
        Role::FencedCode | Role::IndentedCode => {
            if !is_example {
                report.add_code(block);
            }
        }
        Role::Task { mark } => {
            if block.plain.trim().is_empty() {
                report.add(ViolationKind::TaskWithoutText, mark.offset..mark.offset);
            }
            check_text(block, report);
        }
        Role::Detail => check_text(block, report),
        Role::Prose => {
            if !is_example {
                check_text(block, report);
            }
        }
    }
}

fn check_text(block: &Block, report: &mut Report<'_>) {
    if sections::is_technical_notes(&block.plain) {
        report.add(ViolationKind::TechnicalNotesSection, block.range.clone());
    }
    check_file_lines(block, report);
    for (range, code) in &block.code_spans {
        if shell::is_command(code) {
            report.add(ViolationKind::ShellCommand, range.clone());
        } else if snippets::is_code(code) {
            report.add(ViolationKind::CodeSnippet, range.clone());
        }
    }
    let source = report.source(block);
    report.add_prose(
        ViolationKind::ShellCommand,
        block,
        shell::commands_in_prose(source),
    );
    report.add_prose(
        ViolationKind::ImplementationInstruction,
        block,
        instructions::instructions(source),
    );
}

fn check_file_lines(block: &Block, report: &mut Report<'_>) {
    let start = block.range.start;
    for range in file_lines::references(report.source(block)) {
        report.add(
            ViolationKind::FileLineReference,
            start + range.start..start + range.end,
        );
    }
}

/// The violations found so far, at most one of each kind in a line.
struct Report<'t> {
    text: &'t str,
    lines: Lines,
    /// Line and kind: the order of the report.
    found: BTreeMap<(usize, ViolationKind), String>,
}

impl<'t> Report<'t> {
    fn source(&self, block: &Block) -> &'t str {
        &self.text[block.range.clone()]
    }

    fn add(&mut self, kind: ViolationKind, range: Range<usize>) {
        let line = self.lines.number(range.start);
        self.found
            .entry((line, kind))
            .or_insert_with(|| excerpt(&self.text[range]));
    }

    /// Adds a block of code, with its first line as the excerpt.
    fn add_code(&mut self, block: &Block) {
        let line = self.lines.number(block.range.start);
        let code = block
            .plain
            .lines()
            .find(|code| !code.trim().is_empty())
            .unwrap_or_default();
        self.found
            .entry((line, ViolationKind::CodeSnippet))
            .or_insert_with(|| excerpt(code));
    }

    /// Adds matches in the source of `block`, except those that begin in inline code, which has its own rules.
    fn add_prose(&mut self, kind: ViolationKind, block: &Block, found: Vec<Range<usize>>) {
        for range in found {
            let (start, end) = (block.range.start + range.start, block.range.start + range.end);
            let next_span = block.code_spans.partition_point(|(span, _)| span.start <= start);
            let is_code = next_span
                .checked_sub(1)
                .is_some_and(|last| block.code_spans[last].0.contains(&start));
            if !is_code {
                self.add(kind, start..end);
            }
        }
    }

    fn into_violations(self) -> Vec<Violation> {
        let found = self.found.into_iter().take(MAX_VIOLATIONS);
        found
            .map(|((line, kind), excerpt)| Violation { line, kind, excerpt })
            .collect()
    }
}

/// Text on one line, shortened, without control characters.
fn excerpt(text: &str) -> String {
    let mut characters = text.chars();
    // Enough for the limit below, even if most of it is indentation.
    let head: String = characters.by_ref().take(4 * MAX_EXCERPT).collect();
    let line = on_one_line(&head);
    let is_cut = characters.next().is_some() || line.chars().count() > MAX_EXCERPT;
    let shown = line
        .chars()
        .take(MAX_EXCERPT)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c });
    shown.chain(is_cut.then_some('…')).collect()
}
