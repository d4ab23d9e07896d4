//! The only writer to standard output: JSON lines for programs, text for people, flushed after each line.

mod human;
mod terminal;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};

use ralph_contract::{Event, Task, Warning, WarningKind, to_line};
use serde_json::Value;

use self::human::Human;
use crate::content::Contents;
use crate::stop::{Stop, StopReason};
use crate::stream::{AgentMessage, ToolOutput, ToolUse};

/// Writes events. When standard output is closed, it requests a stop and discards further events.
pub(crate) struct Output<'a> {
    form: Form,
    /// Values that are redacted, the longest first.
    secrets: Vec<String>,
    stop: &'a Stop,
}

enum Form {
    Headless {
        /// The random key of this run's digests.
        digests: RandomState,
    },
    Human(Human),
}

impl<'a> Output<'a> {
    /// One event of the contract per line.
    pub(crate) fn headless(secrets: Vec<String>, stop: &'a Stop) -> Self {
        Self {
            form: Form::Headless {
                digests: RandomState::new(),
            },
            secrets,
            stop,
        }
    }

    /// Text for people. On a terminal with a spinner, and with colours unless `is_plain`.
    pub(crate) fn human(is_plain: bool, secrets: Vec<String>, stop: &'a Stop) -> Self {
        Self {
            form: Form::Human(Human::new(is_plain)),
            secrets,
            stop,
        }
    }

    pub(crate) fn event(&self, event: &Event) {
        match &self.form {
            Form::Headless { .. } => self.write(&to_line(event)),
            Form::Human(human) => {
                if let Some(text) = human.event(event) {
                    self.write(&text);
                }
            }
        }
    }

    /// Reports a warning that concerns no files.
    pub(crate) fn warn(&self, kind: WarningKind, message: impl Into<String>) {
        self.event(&Event::Warning(Warning {
            kind,
            message: message.into(),
            files: Vec::new(),
            resets_at: None,
        }));
    }

    /// Reports a tool call.
    pub(crate) fn tool(&self, tool: &ToolUse, contents: &mut Contents) {
        match &self.form {
            Form::Headless { digests } => {
                let mut input = tool.input.clone();
                let digest = digests.hash_one(format!("{} {}", tool.name, Value::Object(input.clone())));
                input.values_mut().for_each(|value| self.redact_json(value));
                let (input, truncated_bytes) = contents.input(input);
                self.event(&Event::Tool(ralph_contract::Tool {
                    kind: tool.kind,
                    path: tool.path.clone(),
                    digest: Some(format!("{digest:016x}")),
                    id: tool.id.clone(),
                    name: Some(tool.name.clone()),
                    input,
                    truncated_bytes,
                    parent_tool_id: tool.parent_tool_id.clone(),
                }));
            }
            Form::Human(human) => self.write(&human.tool(tool)),
        }
    }

    /// Reports text of the agent, or a prompt to it.
    pub(crate) fn message(&self, message: &AgentMessage, contents: &mut Contents) {
        match &self.form {
            Form::Headless { .. } => {
                if let Some(event) = contents.message(message, &self.redacted(&message.text)) {
                    self.event(&event);
                }
            }
            Form::Human(_) if message.is_prompt => {}
            Form::Human(_) => self.remark(&message.text),
        }
    }

    /// For programs only: the result of a tool call.
    pub(crate) fn tool_result(&self, result: &ToolOutput, contents: &mut Contents) {
        if let Form::Headless { .. } = &self.form
            && let Some(event) = contents.tool_result(result, &self.redacted(&result.output))
        {
            self.event(&event);
        }
    }

    /// For people only: the task of an iteration.
    pub(crate) fn task(&self, n: u32, task: &Task) {
        if let Form::Human(human) = &self.form {
            self.write(&human.task(n, task));
        }
    }

    /// For people only: text of the agent or its harness.
    pub(crate) fn remark(&self, text: &str) {
        if let Form::Human(human) = &self.form
            && let Some(text) = human.remark(text)
        {
            self.write(&text);
        }
    }

    fn write(&self, text: &str) {
        if self.stop.reason() == Some(StopReason::OutputClosed) {
            return;
        }
        let text = self.redacted(text) + "\n";
        let write = || write_and_flush(&text);
        let written = match &self.form {
            Form::Headless { .. } => write(),
            Form::Human(human) => human.around(write),
        };
        if written.is_err() {
            self.stop.request(StopReason::OutputClosed);
        }
    }

    fn redact_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redacted(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.redact_json(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.redact_json(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn redacted(&self, text: &str) -> String {
        self.secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[redacted]"))
    }
}

/// Prints text for people, for the commands that start no agent.
pub(crate) fn print(text: &str) -> io::Result<()> {
    write_and_flush(&format!("{text}\n"))
}

/// Prints an error for people.
pub(crate) fn print_error(error: &anyhow::Error) {
    // If this fails, the exit code is all that can be reported.
    writeln!(io::stderr(), "ralph: {error:#}").ok();
}

fn write_and_flush(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
