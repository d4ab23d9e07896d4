//! What an agent says and reads, as bounded events.

use ralph_contract::content::{MAX_ITERATION_BYTES, MAX_TEXT_BYTES, bounded_input, bounded_text};
use ralph_contract::{Event, Message, MessageRole, ToolResult};
use serde_json::{Map, Value};

use crate::stream::{AgentMessage, ToolOutput};
use crate::text::counted;

/// The contents of one iteration. Texts are expected without secrets: one that is cut in two is not found any more.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    reported_bytes: usize,
    omitted: u64,
    omitted_bytes: u64,
}

impl Contents {
    /// `None` if the iteration has reported enough.
    pub(crate) fn message(&mut self, message: &AgentMessage, text: &str) -> Option<Event> {
        let (text, truncated_bytes) = self.take_text(text)?;
        Some(Event::Message(Message {
            role: if message.is_prompt {
                MessageRole::User
            } else {
                MessageRole::Assistant
            },
            text,
            truncated_bytes,
            parent_tool_id: message.parent_tool_id.clone(),
        }))
    }

    /// `None` if the iteration has reported enough.
    pub(crate) fn tool_result(&mut self, result: &ToolOutput, output: &str) -> Option<Event> {
        let (output, truncated_bytes) = self.take_text(output)?;
        Some(Event::ToolResult(ToolResult {
            id: result.id.clone(),
            ok: result.ok,
            output,
            truncated_bytes,
            parent_tool_id: result.parent_tool_id.clone(),
        }))
    }

    /// The bounded input of a tool call and the number of bytes that were cut; no input if the iteration has reported
    /// enough.
    pub(crate) fn input(&mut self, input: Map<String, Value>) -> (Option<Map<String, Value>>, u64) {
        let (bounded, truncated_bytes) = bounded_input(input);
        let size = serde_json::to_string(&bounded).map_or(0, |json| json.len());
        if self.take(size) {
            (Some(bounded), truncated_bytes)
        } else {
            (None, truncated_bytes + size as u64)
        }
    }

    /// What was left out, for people. The next iteration starts afresh.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let Self {
            omitted,
            omitted_bytes,
            ..
        } = std::mem::take(self);
        (omitted > 0).then(|| {
            format!(
                "{} with {} not reported: an iteration reports at most {} of them",
                counted(omitted, "text"),
                counted(omitted_bytes, "byte"),
                counted(MAX_ITERATION_BYTES as u64, "byte"),
            )
        })
    }

    fn take_text(&mut self, text: &str) -> Option<(String, u64)> {
        let (bounded, cut) = bounded_text(text, MAX_TEXT_BYTES);
        self.take(bounded.len()).then(|| (bounded.into_owned(), cut))
    }

    fn take(&mut self, bytes: usize) -> bool {
        if self.reported_bytes + bytes > MAX_ITERATION_BYTES {
            self.omitted += 1;
            self.omitted_bytes += bytes as u64;
            return false;
        }
        self.reported_bytes += bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iteration_reports_its_texts_until_the_limit_and_counts_the_others() {
        let message = AgentMessage {
            text: String::new(),
            is_prompt: false,
            parent_tool_id: None,
        };
        let mut contents = Contents::default();
        let text = "x".repeat(MAX_TEXT_BYTES);
        let reported = (0..1000)
            .filter_map(|_| contents.message(&message, &text))
            .count();
        assert_eq!(reported, MAX_ITERATION_BYTES / MAX_TEXT_BYTES);
        let warning = contents.finish().unwrap();
        assert!(warning.starts_with("744 texts with 12189696 bytes"), "{warning}");
        assert!(contents.message(&message, &text).is_some(), "the next iteration");
        assert_eq!(contents.finish(), None);
    }
}
