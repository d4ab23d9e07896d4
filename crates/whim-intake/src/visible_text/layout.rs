//! Lays visible text out in lines, with the Markdown of lists, headings, quotes and code.

/// Prefixes of lines are limited, because each line of a deeply nested text has all of them.
const MAX_DEPTH: usize = 8;

#[derive(Default)]
pub(super) struct Layout {
    text: String,
    line: String,
    /// Of each open list item and quote, for the lines after its first.
    prefixes: Vec<&'static str>,
    /// For the first line of a list item.
    marker: Option<String>,
    wants_blank_line: bool,
    /// Before the first item of a list that is in no other one.
    wants_blank_line_before_marker: bool,
}

impl Layout {
    /// Text between tags, in which whitespace is one space.
    pub(super) fn inline(&mut self, text: &str) {
        if text.starts_with(char::is_whitespace) {
            self.space();
        }
        for (index, word) in text.split_whitespace().enumerate() {
            if index > 0 {
                self.line.push(' ');
            }
            self.line.push_str(word);
        }
        if text.ends_with(char::is_whitespace) {
            self.space();
        }
    }

    pub(super) fn verbatim(&mut self, text: &str) {
        self.line.push_str(text);
    }

    fn space(&mut self) {
        if !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
    }

    pub(super) fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.trim_end();
        if !line.is_empty() {
            self.push_line(line);
        }
    }

    /// The next line follows a blank one.
    pub(super) fn end_block(&mut self) {
        self.end_line();
        self.wants_blank_line = true;
    }

    pub(super) fn block_of_lines(&mut self, lines: &str) {
        self.end_block();
        for line in lines.lines() {
            self.push_line(line.trim_end());
        }
        self.wants_blank_line = true;
    }

    pub(super) fn begin_list(&mut self) {
        self.end_line();
        self.wants_blank_line_before_marker = self.prefixes.is_empty();
    }

    pub(super) fn begin_item(&mut self, marker: String) {
        self.end_line();
        self.wants_blank_line = false;
        self.prefixes.push("  ");
        self.marker = Some(marker);
    }

    pub(super) fn begin_quote(&mut self) {
        self.end_block();
        self.prefixes.push("> ");
    }

    pub(super) fn end_nested(&mut self) {
        self.end_line();
        self.marker = None;
        self.prefixes.pop();
    }

    fn push_line(&mut self, line: &str) {
        let is_marked = self.marker.is_some();
        let wants_blank_line = if is_marked {
            std::mem::take(&mut self.wants_blank_line_before_marker)
        } else {
            self.wants_blank_line
        };
        self.wants_blank_line = false;
        if wants_blank_line && !self.text.is_empty() {
            self.text.push('\n');
        }
        let depth = self.prefixes.len().min(MAX_DEPTH);
        let before = depth.saturating_sub(usize::from(is_marked));
        for prefix in &self.prefixes[..before] {
            self.text.push_str(prefix);
        }
        if let Some(marker) = self.marker.take() {
            self.text.push_str(&marker);
        }
        self.text.push_str(line);
        self.text.push('\n');
    }

    pub(super) fn finish(mut self) -> String {
        self.end_line();
        self.text
    }
}
