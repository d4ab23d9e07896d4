//! The only reader of Markdown: CommonMark blocks, flat and in order, with their range in the source.
//!
//! Every part of SPEC.md that is evaluated (tasks, details, headings, code) is one of these blocks.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Bytes of a line that may be container syntax (indentation, bullets, numbers, quote marks).
///
/// The parser compares a line with every open container. It skips that for blank lines, but not for those in code: a text that
/// nests tens of thousands deep would take time proportional to depth times lines. No readable checklist comes near this.
const MAX_CONTAINER_PREFIX: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A heading outside lists and quotes.
    Heading {
        level: u8,
    },
    /// The text of a task, with its box.
    Task {
        mark: Mark,
    },
    /// Text below a task: a sub-bullet, or a further paragraph.
    Detail,
    /// Other text, quotes included.
    Prose,
    /// The range includes the fences.
    FencedCode,
    IndentedCode,
}

/// A box: the byte between its brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Offset in the source.
    pub(super) offset: usize,
    pub(super) done: bool,
}

/// A block that contains text and no other block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) role: Role,
    /// The range of its text in the source, without box and bullet.
    pub(super) range: Range<usize>,
    /// Its text without markup.
    pub(super) plain: String,
    /// Its inline code, with ranges that include the backticks.
    pub(super) code_spans: Vec<(Range<usize>, String)>,
}

/// Accepts any text.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let start = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let source = normalise(&text[start..]);
    let mut walk = Walk {
        text,
        ..Walk::default()
    };
    for (event, range) in Parser::new_ext(&source, Options::ENABLE_TASKLISTS).into_offset_iter() {
        // The parser may have been given one newline more than there is.
        let end = (range.end + start).min(text.len());
        walk.step(event, (range.start + start).min(end)..end);
    }
    walk.close();
    walk.blocks
}

/// The same text with unchanged offsets, but with a line ending at its end (a box at the very end would not be recognised
/// otherwise) and without lines that nest deeper than [`MAX_CONTAINER_PREFIX`].
fn normalise(text: &str) -> Cow<'_, str> {
    let too_deep: Vec<Range<usize>> = container_prefixes(text)
        .filter(|prefix| prefix.len() > MAX_CONTAINER_PREFIX)
        .collect();
    if too_deep.is_empty() && text.ends_with(['\n', '\r']) {
        return Cow::Borrowed(text);
    }
    let mut copy = text.to_owned();
    for prefix in too_deep {
        let excess = prefix.start + MAX_CONTAINER_PREFIX..prefix.end;
        copy.replace_range(excess.clone(), &"x".repeat(excess.len()));
    }
    copy.push('\n');
    Cow::Owned(copy)
}

/// For each line, the bytes at its start that could open or continue a container.
fn container_prefixes(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut next_line = 0;
    text.split_inclusive(['\n', '\r']).map(move |line| {
        let start = next_line;
        next_line += line.len();
        start..start + container_prefix(line.as_bytes())
    })
}

fn container_prefix(line: &[u8]) -> usize {
    let is_bullet = |byte: &u8| matches!(byte, b'-' | b'*' | b'+');
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let pairs = line.iter().zip(line.iter().skip(1));
    pairs
        // A bullet needs a space behind it: `-----` is a rule, `**` is emphasis.
        .take_while(|&(byte, next)| match byte {
            byte if is_bullet(byte) => is_space(next),
            byte => is_space(byte) || matches!(byte, b'>' | b'.' | b')' | b'0'..=b'9'),
        })
        .count()
}

#[derive(Default)]
struct Walk<'t> {
    text: &'t str,
    blocks: Vec<Block>,
    /// The block whose inline content is being read.
    open: Option<Block>,
    /// Block quotes around the current position. Quoted text is not part of the checklist.
    quotes: usize,
    /// List items around the current position.
    items: usize,
    /// Depth in `items` of the task around the current position.
    task: Option<usize>,
}

impl Walk<'_> {
    fn step(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(&tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::TaskListMarker(done) => self.marker(done, range),
            Event::Text(text) => {
                if let Some(block) = self.inline(range) {
                    block.plain.push_str(&text);
                }
            }
            Event::Code(code) => {
                if let Some(block) = self.inline(range.clone()) {
                    block.plain.push_str(&code);
                    block.code_spans.push((range, code.into_string()));
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(block) = self.inline(range) {
                    block.plain.push(' ');
                }
            }
            Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_) => {
                self.inline(range);
            }
            Event::Rule | Event::Html(_) => self.close(),
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            // Inline: part of the open block.
            Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::Image { .. } => {
                self.inline(range);
            }
            Tag::Paragraph => {
                // The first paragraph of a task continues the block that its box opened.
                if self.open.as_ref().is_some_and(|block| !block.range.is_empty()) {
                    self.close();
                }
            }
            Tag::Heading { level, .. } => {
                self.close();
                let role = if self.items == 0 && self.quotes == 0 {
                    Role::Heading {
                        level: number(*level),
                    }
                } else {
                    self.role_of_text()
                };
                self.open_block(role, range.start..range.start);
            }
            Tag::BlockQuote(_) => {
                self.close();
                self.quotes += 1;
            }
            Tag::Item => {
                self.close();
                self.items += 1;
            }
            Tag::CodeBlock(kind) => {
                self.close();
                let role = match kind {
                    CodeBlockKind::Fenced(_) => Role::FencedCode,
                    CodeBlockKind::Indented => Role::IndentedCode,
                };
                self.open_block(role, range);
            }
            Tag::List(_)
            | Tag::HtmlBlock
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Table(_)
            | Tag::TableHead
            | Tag::TableRow
            | Tag::TableCell
            | Tag::MetadataBlock(_) => self.close(),
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::Image => {
                self.inline(range);
            }
            TagEnd::BlockQuote(_) => {
                self.close();
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::Item => {
                self.close();
                if self.task == Some(self.items) {
                    self.task = None;
                }
                self.items = self.items.saturating_sub(1);
            }
            TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::HtmlBlock
            | TagEnd::List(_)
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Table
            | TagEnd::TableHead
            | TagEnd::TableRow
            | TagEnd::TableCell
            | TagEnd::MetadataBlock(_) => self.close(),
        }
    }

    /// A box. It makes a task unless it is quoted or below another task.
    fn marker(&mut self, done: bool, range: Range<usize>) {
        self.close();
        let bracket = self.text.get(range.clone()).and_then(|marker| marker.find('['));
        let role = match bracket {
            Some(bracket) if self.task.is_none() && self.quotes == 0 => {
                self.task = Some(self.items);
                Role::Task {
                    mark: Mark {
                        offset: range.start + bracket + 1,
                        done,
                    },
                }
            }
            Some(_) | None => self.role_of_text(),
        };
        self.open_block(role, range.end..range.end);
    }

    /// Adds inline content to the open block, or to a new one, because tight list items have no paragraph.
    fn inline(&mut self, range: Range<usize>) -> Option<&mut Block> {
        if self.open.is_none() {
            let role = self.role_of_text();
            self.open_block(role, range.start..range.start);
        }
        let block = self.open.as_mut()?;
        if block.range.is_empty() {
            block.range = range;
        } else {
            block.range.end = block.range.end.max(range.end);
        }
        Some(block)
    }

    fn role_of_text(&self) -> Role {
        if self.task.is_some() {
            Role::Detail
        } else {
            Role::Prose
        }
    }

    fn open_block(&mut self, role: Role, range: Range<usize>) {
        self.open = Some(Block {
            role,
            range,
            plain: String::new(),
            code_spans: Vec::new(),
        });
    }

    fn close(&mut self) {
        self.blocks.extend(self.open.take());
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}
