//! Reads HTML as a browser does, and keeps what is visible on GitHub.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use super::layout::Layout;

/// Elements whose content GitHub removes, or browsers do not show.
const HIDDEN: [&str; 24] = [
    "applet",
    "audio",
    "canvas",
    "datalist",
    "embed",
    "head",
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "option",
    "plaintext",
    "rp",
    "script",
    "select",
    "style",
    "svg",
    "template",
    "textarea",
    "title",
    "video",
    "xmp",
];
/// Attributes that hold text for no reader of the page.
const TEXT_ATTRIBUTES: [&str; 6] = ["alt", "title", "content", "label", "placeholder", "value"];
/// Languages of code blocks that GitHub draws.
const DRAWN: [&str; 5] = ["mermaid", "geojson", "topojson", "stl", "math"];
/// In place of each formula: it can hold text that is not drawn, in more ways than can be listed.
const FORMULA: &str = "[formula]";

/// The visible text of a page, and the parts that are not visible.
pub(super) fn visible(html: &str) -> (String, Vec<String>) {
    let sink = Sink::default();
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(html));
    // Nothing interrupts it: the sink runs no script.
    let _finished = tokenizer.feed(&input);
    tokenizer.end();
    let state = tokenizer.sink.state.into_inner();
    (state.layout.finish(), state.removed)
}

#[derive(Default)]
struct Sink {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    layout: Layout,
    removed: Vec<String>,
    /// The hidden element that is open, and how many of its name.
    hidden: Option<(String, usize)>,
    /// Counts of the items of the open lists; `None` without numbers.
    lists: Vec<Option<usize>>,
    code: Option<Code>,
    /// Text of the open formula.
    formula: Option<String>,
}

/// An open block of code.
#[derive(Default)]
struct Code {
    /// In lower case.
    language: String,
    text: String,
}

impl Code {
    /// The language as GitHub reads it: in any case, up to a comma. One that is drawn is never replaced.
    fn set_language(&mut self, name: &str) {
        if !self.is_drawn() {
            let name = name.split(',').next().unwrap_or_default();
            self.language = name.trim().to_lowercase();
        }
    }

    fn is_drawn(&self) -> bool {
        DRAWN.contains(&self.language.as_str())
    }
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.state.borrow_mut();
        match token {
            Token::CharacterTokens(text) => state.text(&text),
            Token::TagToken(tag) => return state.tag(&tag),
            Token::CommentToken(text) => state.remove(&text),
            Token::DoctypeToken(doctype) => {
                let parts = [doctype.name, doctype.public_id, doctype.system_id];
                for part in parts.into_iter().flatten() {
                    state.remove(&part);
                }
            }
            Token::NullCharacterToken | Token::EOFToken | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

impl State {
    fn remove(&mut self, part: &str) {
        if !part.trim().is_empty() {
            self.removed.push(part.trim().to_owned());
        }
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_some() {
            self.remove(text);
        } else if let Some(formula) = &mut self.formula {
            formula.push_str(text);
        } else if let Some(code) = &mut self.code {
            code.text.push_str(text);
        } else {
            self.layout.inline(text);
        }
    }

    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let name: &str = &tag.name;
        if let Some((hidden, depth)) = &mut self.hidden {
            if name == hidden {
                match tag.kind {
                    TagKind::StartTag if !tag.self_closing => *depth += 1,
                    TagKind::StartTag => {}
                    TagKind::EndTag => *depth -= 1,
                }
                if *depth == 0 {
                    self.hidden = None;
                }
            }
            return TokenSinkResult::Continue;
        }
        match tag.kind {
            TagKind::StartTag => self.start(name, tag),
            TagKind::EndTag => {
                self.end(name);
                TokenSinkResult::Continue
            }
        }
    }

    fn start(&mut self, name: &str, tag: &Tag) -> TokenSinkResult<()> {
        for attribute in &tag.attrs {
            let attribute_name: &str = &attribute.name.local;
            if TEXT_ATTRIBUTES.contains(&attribute_name)
                || attribute_name.starts_with("data-")
                || attribute_name.starts_with("aria-")
            {
                self.remove(&attribute.value);
            }
        }
        if HIDDEN.contains(&name) {
            // `<embed>` has no content.
            if name != "embed" {
                self.hidden = Some((name.to_owned(), 1));
            }
            return raw_content(name);
        }
        match name {
            "br" => self.layout.end_line(),
            "hr" => self.layout.block_of_lines("---"),
            "img" => self.layout.inline("[image]"),
            "input" if attribute(tag, "type") == Some("checkbox") => {
                let is_ticked = attribute(tag, "checked").is_some();
                self.layout.verbatim(if is_ticked { "[x] " } else { "[ ] " });
            }
            "ul" => {
                self.layout.begin_list();
                self.lists.push(None);
            }
            "ol" => {
                self.layout.begin_list();
                let start = attribute(tag, "start").and_then(|start| start.parse().ok());
                self.lists.push(Some(start.unwrap_or(1)));
            }
            "li" => self.begin_item(),
            "blockquote" => self.layout.begin_quote(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.layout.end_block();
                let level = name.trim_start_matches('h').parse().unwrap_or(1);
                self.layout.verbatim(&"#".repeat(level));
                self.layout.inline(" ");
            }
            "pre" => {
                let code = self.code.get_or_insert_default();
                code.set_language(attribute(tag, "lang").unwrap_or_default());
            }
            "code" => match &mut self.code {
                Some(code) => {
                    let classes = attribute(tag, "class").unwrap_or_default();
                    for class in classes.split_whitespace() {
                        if let Some(name) = class.strip_prefix("language-") {
                            code.set_language(name);
                        }
                    }
                }
                None if attribute(tag, "data-math-style").is_some() => self.formula = Some(String::new()),
                None => self.layout.verbatim("`"),
            },
            "span" if attribute(tag, "data-math-style").is_some() => self.formula = Some(String::new()),
            "td" | "th" => self.layout.verbatim("| "),
            _ if is_block(name) => self.layout.end_block(),
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn end(&mut self, name: &str) {
        match name {
            "ul" | "ol" => {
                self.lists.pop();
                self.layout.end_block();
            }
            "li" | "blockquote" => self.layout.end_nested(),
            "pre" => self.end_code(),
            "span" | "code" if self.formula.is_some() => {
                let formula = self.formula.take().unwrap_or_default();
                self.remove(&formula);
                self.layout.inline(FORMULA);
            }
            "code" if self.code.is_none() => self.layout.verbatim("`"),
            "td" | "th" => self.layout.inline(" "),
            "tr" => self.layout.end_line(),
            _ if is_block(name) => self.layout.end_block(),
            _ => {}
        }
    }

    fn begin_item(&mut self) {
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number = number.saturating_add(1);
                marker
            }
            Some(None) | None => "- ".to_owned(),
        };
        self.layout.begin_item(marker);
    }

    fn end_code(&mut self) {
        let Some(code) = self.code.take() else {
            return;
        };
        let Code { language, text } = &code;
        if code.is_drawn() {
            self.remove(text);
            let shown = match language.as_str() {
                "math" => FORMULA.to_owned(),
                language => format!("[{language} diagram]"),
            };
            self.layout.block_of_lines(&shown);
            return;
        }
        let longest = text.split(|character| character != '`').map(str::len).max();
        let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
        let text = text.trim_matches('\n');
        self.layout.block_of_lines(&format!("{fence}\n{text}\n{fence}"));
    }
}

fn attribute<'t>(tag: &'t Tag, name: &str) -> Option<&'t str> {
    let attribute = tag
        .attrs
        .iter()
        .find(|attribute| &*attribute.name.local == name)?;
    Some(&attribute.value)
}

/// How browsers read the content of an element that is no HTML.
fn raw_content(name: &str) -> TokenSinkResult<()> {
    match name {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "iframe" | "noembed" | "noframes" | "style" | "xmp" => TokenSinkResult::RawData(RawKind::Rawtext),
        "textarea" | "title" => TokenSinkResult::RawData(RawKind::Rcdata),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "table"
            | "section"
            | "details"
            | "summary"
            | "figure"
            | "figcaption"
            | "caption"
            | "dl"
            | "dt"
            | "dd"
            | "center"
            | "address"
            | "article"
            | "aside"
            | "footer"
            | "header"
            | "main"
            | "nav"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
    )
}
