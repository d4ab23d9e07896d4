//! What a reader of a rendered issue can see (`docs/attacks.md`, row 14).
//!
//! The Markdown is rendered to HTML as GitHub does, and the HTML is read as a browser does: comments, attributes,
//! unused link definitions and elements without a visible content are left out. The rest is laid out as plain text with the
//! Markdown of lists, headings, quotes and code.

mod html;
mod layout;

use std::borrow::Cow;
use std::sync::LazyLock;

use comrak::options::{Extension, Parse, Render};
use comrak::{Options, markdown_to_html};
use regex::Regex;

use crate::text::strip_invisible;

/// Of whitespace in a row: what follows a longer gap is out of sight.
const MAX_GAP: usize = 80;
const MAX_REMOVED_PARTS: usize = 20;
const MAX_REMOVED_CHARACTERS: usize = 200;

/// A text, and what was removed from it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct VisibleText {
    pub(crate) text: String,
    /// For the log: hidden parts, shortened, without those beyond a limit.
    pub(crate) removed: Vec<String>,
}

impl VisibleText {
    /// The visible part of Markdown.
    pub(crate) fn of_markdown(markdown: &str) -> Self {
        // Invisible characters could hide a construct from this parser that GitHub's recognises, or the reverse.
        let html = markdown_to_html(markdown, &options());
        let (text, removed) = html::visible(&html);
        let mut visible = Self {
            text: narrow(&strip_invisible(&text)).trim().to_owned(),
            removed: removed
                .into_iter()
                .take(MAX_REMOVED_PARTS)
                .map(shortened)
                .collect(),
        };
        visible.count_invisible(markdown);
        visible
    }

    /// The visible part of a title, which is no Markdown and one line.
    pub(crate) fn of_title(title: &str) -> Self {
        let words: Vec<String> = title
            .split_whitespace()
            .map(strip_invisible)
            .filter(|word| !word.is_empty())
            .collect();
        let mut visible = Self {
            text: words.join(" "),
            removed: Vec::new(),
        };
        visible.count_invisible(title);
        visible
    }

    fn count_invisible(&mut self, original: &str) {
        let invisible = original.chars().count() - strip_invisible(original).chars().count();
        // Line ends may be CRLF.
        let invisible = invisible - original.matches('\r').count();
        if invisible > 0 {
            self.removed.push(format!("{invisible} invisible characters"));
        }
    }
}

fn options() -> Options<'static> {
    Options {
        extension: Extension {
            strikethrough: true,
            table: true,
            autolink: true,
            tasklist: true,
            footnotes: true,
            alerts: true,
            math_dollars: true,
            math_code: true,
            ..Extension::default()
        },
        parse: Parse::default(),
        render: Render {
            // In issues a line end is one, and HTML is part of the page.
            hardbreaks: true,
            r#unsafe: true,
            ..Render::default()
        },
    }
}

/// Shortens gaps that push text out of sight.
fn narrow(text: &str) -> Cow<'_, str> {
    static GAP: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&format!(r"[^\S\n]{{{MAX_GAP},}}|\n{{4,}}")).ok());
    match &*GAP {
        Some(gap) => gap.replace_all(
            text,
            |found: &regex::Captures<'_>| {
                if found[0].starts_with('\n') { "\n\n\n" } else { " " }
            },
        ),
        None => Cow::Borrowed(text),
    }
}

fn shortened(part: String) -> String {
    strip_invisible(&part)
        .chars()
        .take(MAX_REMOVED_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests;
