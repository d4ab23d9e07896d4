//! The conversation with a coding agent, from which the scripted model derives its next turn.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::request::{Block, Content, MessagesRequest, Role};

/// The text with which `ralph` names the checklist in its prompt.
const CHECKLIST: (&str, char) = ("The checklist is the file `", '`');
/// The text with which Claude Code passes its working directory to the model.
const DIRECTORY: (&str, char) = ("Primary working directory: ", '\n');

/// One conversation, read from the request that continues it.
#[derive(Debug)]
pub(super) struct Conversation {
    /// Everything that the model received: instructions, prompt and tool results.
    pub(super) text: String,
    /// The results of the tool uses so far, in order.
    pub(super) results: Vec<ToolResult>,
    checklist: Option<String>,
    directory: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToolResult {
    pub(super) tool_use_id: String,
    pub(super) text: String,
    pub(super) is_error: bool,
}

/// A tool call of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolCall {
    pub(super) name: &'static str,
    pub(super) input: Value,
    pub(super) purpose: Purpose,
}

/// The purpose of a tool call, where gates count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Work,
    Commit,
    Tick,
}

/// The model's next turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Turn {
    Call(ToolCall),
    /// A text, which ends the run.
    Say(String),
}

impl Conversation {
    pub(super) fn read(request: &MessagesRequest) -> Self {
        let prompt = request.texts(Role::User).collect::<Vec<_>>().join("\n");
        let results: Vec<ToolResult> = request
            .messages
            .iter()
            .flat_map(|message| message.content.blocks())
            .filter_map(tool_result)
            .collect();
        let instructions = request
            .texts(Role::System)
            .chain([request.system_text()])
            .collect::<Vec<_>>()
            .join("\n");
        let checklist = between(&prompt, CHECKLIST).map(str::to_owned);
        let directory = between(&instructions, DIRECTORY)
            .or_else(|| between(&prompt, DIRECTORY))
            .map(PathBuf::from);
        let mut text = prompt;
        for result in &results {
            text.push('\n');
            text.push_str(&result.text);
        }
        Self {
            text,
            results,
            checklist,
            directory,
        }
    }

    /// The checklist that the prompt names, relative to the working directory where it is inside.
    pub(super) fn checklist(&self) -> Option<&Path> {
        let path = Path::new(self.checklist.as_ref()?);
        Some(
            self.directory
                .as_ref()
                .and_then(|directory| path.strip_prefix(directory).ok())
                .unwrap_or(path),
        )
    }

    /// Claude Code's file tools want absolute paths.
    pub(super) fn absolute(&self, path: &Path) -> String {
        let path = self
            .directory
            .as_ref()
            .map_or_else(|| path.to_owned(), |directory| directory.join(path));
        path.to_string_lossy().into_owned()
    }
}

fn between<'a>(text: &'a str, (before, after): (&str, char)) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split(after).next().unwrap_or(rest).trim_end())
}

fn tool_result(block: &Block) -> Option<ToolResult> {
    match block {
        Block::ToolResult {
            tool_use_id,
            content,
            is_error,
        } => Some(ToolResult {
            tool_use_id: tool_use_id.clone(),
            text: content.as_ref().map(Content::text).unwrap_or_default(),
            is_error: *is_error,
        }),
        Block::Text { .. } | Block::ToolUse { .. } | Block::Other => None,
    }
}

/// Replays a run from its beginning: results of earlier calls come from the conversation, and the first call without a
/// result is the model's next turn. So a script is written like a program and needs no state between requests.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    results: std::slice::Iter<'a, ToolResult>,
}

impl<'a> Replay<'a> {
    pub(super) fn of(conversation: &'a Conversation) -> Self {
        Self {
            results: conversation.results.iter(),
        }
    }

    /// The result of `call`, whatever it is.
    pub(super) fn attempt(&mut self, call: ToolCall) -> Result<&'a ToolResult, Turn> {
        self.results.next().ok_or(Turn::Call(call))
    }

    /// The result of `call`; a failed call ends the run with a text.
    pub(super) fn require(&mut self, call: ToolCall) -> Result<&'a ToolResult, Turn> {
        let failure = format!("I stop here: {} did not work", call.name);
        let result = self.attempt(call)?;
        if result.is_error {
            return Err(Turn::Say(format!("{failure}: {}", result.text)));
        }
        Ok(result)
    }
}
