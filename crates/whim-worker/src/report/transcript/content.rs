//! Events of `ralph` as entries: secrets masked, texts bounded.

use std::borrow::Cow;

use ralph_contract::content::{MAX_TEXT_BYTES, bounded_input, bounded_text};
use ralph_contract::{Event, IterationPhase, MessageRole, ToolKind};
use serde_json::{Map, Value};
use whim_core::protocol::transcript::{
    self, TranscriptBody, TranscriptCommit, TranscriptIterationDone, TranscriptMessage, TranscriptTask,
    TranscriptTool, TranscriptToolKind, TranscriptToolResult, TranscriptWarning,
};
use whim_core::redact::Redactor;

/// Limit of identifiers, names and paths, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// Limit of texts that `ralph` wrote for people, in bytes.
const MAX_REMARK_BYTES: usize = 4096;

/// Whether the event holds what the agent said or read.
pub(super) fn is_content(event: &Event) -> bool {
    matches!(event, Event::Message(_) | Event::Tool(_) | Event::ToolResult(_))
}

/// About the size of the content of an event, in bytes.
pub(super) fn size(event: &Event) -> u64 {
    if let Event::Message(message) = event {
        return message.text.len() as u64;
    }
    if let Event::ToolResult(result) = event {
        return result.output.len() as u64;
    }
    ralph_contract::to_line(event).len() as u64
}

/// `None` for events that the transcript does not have.
pub(super) fn body(event: &Event, redactor: &Redactor) -> Option<TranscriptBody> {
    let texts = Texts(redactor);
    Some(match event {
        Event::Iteration(iteration) => match iteration.phase {
            IterationPhase::Starting => TranscriptBody::IterationStarted,
            IterationPhase::Running | IterationPhase::Finishing => return None,
        },
        Event::IterationDone(done) => TranscriptBody::IterationDone(TranscriptIterationDone {
            duration_ms: done.duration_ms,
            stats: done.stats.into(),
        }),
        Event::Message(message) => {
            let (text, truncated_bytes) = texts.content(&message.text, message.truncated_bytes);
            TranscriptBody::Message(TranscriptMessage {
                role: match message.role {
                    MessageRole::Assistant => transcript::MessageRole::Assistant,
                    MessageRole::User => transcript::MessageRole::User,
                },
                text,
                truncated_bytes,
                parent_tool_id: texts.name(message.parent_tool_id.as_deref()),
            })
        }
        Event::Tool(tool) => {
            let (input, truncated_bytes) = match &tool.input {
                Some(input) => {
                    let (input, cut) = texts.input(input.clone(), tool.truncated_bytes);
                    (Some(input), cut)
                }
                None => (None, tool.truncated_bytes),
            };
            TranscriptBody::Tool(TranscriptTool {
                kind: match tool.kind {
                    ToolKind::Read => TranscriptToolKind::Read,
                    ToolKind::Write => TranscriptToolKind::Write,
                    ToolKind::Bash => TranscriptToolKind::Bash,
                },
                id: texts.name(tool.id.as_deref()),
                name: texts.name(tool.name.as_deref()),
                path: texts.name(tool.path.as_deref()),
                input,
                truncated_bytes,
                parent_tool_id: texts.name(tool.parent_tool_id.as_deref()),
            })
        }
        Event::ToolResult(result) => {
            let (output, truncated_bytes) = texts.content(&result.output, result.truncated_bytes);
            TranscriptBody::ToolResult(TranscriptToolResult {
                id: texts.short(&result.id, MAX_NAME_BYTES),
                ok: result.ok,
                output,
                truncated_bytes,
                parent_tool_id: texts.name(result.parent_tool_id.as_deref()),
            })
        }
        Event::Commit(commit) => TranscriptBody::Commit(TranscriptCommit {
            hash: texts.short(&commit.hash, MAX_NAME_BYTES),
            message: texts.short(&commit.message, MAX_REMARK_BYTES),
        }),
        Event::TaskComplete(task) => TranscriptBody::TaskComplete(texts.task(task.index, &task.text)),
        Event::TaskReopened(task) => TranscriptBody::TaskReopened(texts.task(task.index, &task.text)),
        Event::Warning(warning) => TranscriptBody::Warning(TranscriptWarning {
            warning: texts.short(warning.kind.as_str(), MAX_NAME_BYTES),
            message: texts.short(&warning.message, MAX_REMARK_BYTES),
        }),
        Event::Started(_)
        | Event::Stuck(_)
        | Event::Complete(_)
        | Event::Failed(_)
        | Event::SpecGenerationStarted
        | Event::SpecGenerationComplete(_)
        | Event::SpecGenerationFailed(_)
        | Event::ReviewComplete(_)
        | Event::ReviewFailed(_) => return None,
    })
}

struct Texts<'r>(&'r Redactor);

impl Texts<'_> {
    fn task(&self, index: u32, text: &str) -> TranscriptTask {
        TranscriptTask {
            index,
            text: self.short(text, MAX_REMARK_BYTES),
        }
    }

    /// Masks whole secrets before anything is cut, and what is left of one that `ralph` cut.
    fn masked(&self, text: &str, is_cut: bool) -> String {
        let text = self.0.redact(text);
        let text = if is_cut { self.0.redact_cut(&text) } else { text };
        if text.contains('\0') {
            text.replace('\0', "\u{fffd}")
        } else {
            text
        }
    }

    fn content(&self, text: &str, truncated_bytes: u64) -> (String, u64) {
        let masked = self.masked(text, truncated_bytes > 0);
        let (text, cut) = bounded_text(&masked, MAX_TEXT_BYTES);
        (text.into_owned(), truncated_bytes.saturating_add(cut))
    }

    fn input(&self, mut input: Map<String, Value>, truncated_bytes: u64) -> (Map<String, Value>, u64) {
        self.mask_fields(&mut input, truncated_bytes > 0);
        let (input, cut) = bounded_input(input);
        (input, truncated_bytes.saturating_add(cut))
    }

    fn short(&self, text: &str, limit: usize) -> String {
        let masked = self.masked(text, false);
        match bounded_text(&masked, limit) {
            (Cow::Borrowed(_), _) => masked,
            (Cow::Owned(bounded), _) => bounded,
        }
    }

    fn name(&self, name: Option<&str>) -> Option<String> {
        name.map(|name| self.short(name, MAX_NAME_BYTES))
    }

    fn mask_fields(&self, fields: &mut Map<String, Value>, is_cut: bool) {
        for (name, mut value) in std::mem::take(fields) {
            self.mask_value(&mut value, is_cut);
            fields.insert(self.masked(&name, false), value);
        }
    }

    fn mask_value(&self, value: &mut Value, is_cut: bool) {
        match value {
            Value::String(text) => *text = self.masked(text, is_cut),
            Value::Array(values) => values.iter_mut().for_each(|value| self.mask_value(value, is_cut)),
            Value::Object(fields) => self.mask_fields(fields, is_cut),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "ghs_0123456789abcdef";

    fn entry(event: Value) -> Value {
        let redactor = Redactor::new([SECRET.to_owned()]);
        let body = body(&serde_json::from_value(event).unwrap(), &redactor);
        serde_json::to_value(body).unwrap()
    }

    #[test]
    fn a_text_loses_its_secrets_before_it_is_cut() {
        let text = SECRET.repeat(3000);
        let entry = entry(json!({ "event": "message", "role": "assistant", "text": text }));
        let text = entry["text"].as_str().unwrap();
        assert_eq!(text.trim_matches('*'), "", "the masks together are short enough");

        let text = format!("{}{SECRET}", "x ".repeat(20_000));
        let entry = self::entry(json!({ "event": "tool_result", "id": "t", "ok": true, "output": text }));
        let output = entry["output"].as_str().unwrap();
        assert!(
            output.len() <= MAX_TEXT_BYTES && output.ends_with("x ***"),
            "{output}"
        );
        assert!(entry["truncatedBytes"].as_u64().unwrap() > 20_000, "{entry}");
    }

    #[test]
    fn the_parts_of_a_secret_that_ralph_cut_are_masked() {
        let (start, end) = SECRET.split_at(10);
        let cut = format!("a {start}\n[… 99 bytes left out …]\n{end} b");
        let input = json!({ "event": "tool", "type": "bash", "id": "t", "input": { "command": cut }, "truncated_bytes": 99 });
        let expected = "a ***\n[… 99 bytes left out …]\n*** b";
        assert_eq!(entry(input)["input"]["command"], expected);
    }

    #[test]
    fn nul_is_replaced_and_escape_sequences_stay() {
        let event = json!({ "event": "message", "role": "user", "text": "a\0\u{1b}[31m\u{202e}" });
        assert_eq!(entry(event)["text"], "a\u{fffd}\u{1b}[31m\u{202e}");
    }

    #[test]
    fn a_tool_call_without_content_is_an_entry_as_well() {
        let event = json!({ "event": "tool", "type": "write", "path": "a.rs", "digest": "d" });
        assert_eq!(
            entry(event),
            json!({ "type": "tool", "kind": "write", "path": "a.rs" })
        );
    }
}
