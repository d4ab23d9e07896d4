//! Everything that `ralph` writes to standard output: JSON lines for programs, text for people. One writer, flushed
//! at every line.

mod human;

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};

use ralph_contract::{Event, Task, Warning, WarningKind, to_line};

use self::human::Human;
use crate::stop::{Stop, StopReason};
use crate::stream::ToolUse;

/// The one writer. When standard output is closed it asks the run to stop, and swallows what comes after.
pub(crate) struct Output<'a> {
    form: Form,
    /// Values that are replaced wherever they turn up, the longest first.
    secrets: Vec<String>,
    stop: &'a Stop,
}

enum Form {
    Headless {
        /// Has the key of this run's digests.
        digests: RandomState,
    },
    Human(Human),
}

impl<'a> Output<'a> {
    /// JSON lines: one event of the contract each.
    pub(crate) fn headless(secrets: Vec<String>, stop: &'a Stop) -> Self {
        Self {
            form: Form::Headless {
                digests: RandomState::new(),
            },
            secrets,
            stop,
        }
    }

    /// Text; with a spinner on a terminal, and with colours there unless `is_plain`.
    pub(crate) fn human(is_plain: bool, secrets: Vec<String>, stop: &'a Stop) -> Self {
        Self {
            form: Form::Human(Human::new(is_plain)),
            secrets,
            stop,
        }
    }

    /// Reports an event of the contract.
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

    /// Reports a warning that is about no files.
    pub(crate) fn warn(&self, kind: WarningKind, message: impl Into<String>) {
        self.event(&Event::Warning(Warning {
            kind,
            message: message.into(),
            files: Vec::new(),
            resets_at: None,
        }));
    }

    /// Reports a tool call; people see more of it than the contract carries.
    pub(crate) fn tool(&self, tool: &ToolUse) {
        match &self.form {
            Form::Headless { digests } => self.event(&Event::Tool(ralph_contract::Tool {
                kind: tool.kind,
                path: tool.path.clone(),
                digest: Some(format!("{:016x}", digests.hash_one(&tool.whole))),
            })),
            Form::Human(human) => self.write(&human.tool(tool)),
        }
    }

    /// For people: which task an iteration is about.
    pub(crate) fn task(&self, n: u32, task: &Task) {
        if let Form::Human(human) = &self.form {
            self.write(&human.task(n, task));
        }
    }

    /// For people: what the agent or its harness says.
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

/// Prints an error for people. Nobody can be told when that fails.
pub(crate) fn print_error(error: &anyhow::Error) {
    let _written = writeln!(io::stderr(), "ralph: {error:#}");
}

fn write_and_flush(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
