//! The document: its text, byte for byte, and the tasks in it.

use super::blocks::{Role, blocks};
use super::lines::Lines;
use super::text::on_one_line;

/// A SPEC.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecDocument {
    text: String,
    title: Option<String>,
    tasks: Vec<Task>,
    /// For each task, the offset of the byte between its brackets.
    marks: Vec<usize>,
}

/// One task of the checklist: a box that is not below another box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Position among all tasks, from 0.
    pub index: usize,
    /// The text after the box, on one line.
    pub text: String,
    /// Sub-bullets at any depth and further paragraphs, in order, each on one line.
    pub details: Vec<String>,
    /// The nearest heading above of level 2 to 6, without markup. A heading of level 1 resets it.
    pub phase: Option<String>,
    /// Whether the box is ticked (`[x]` or `[X]`).
    pub done: bool,
    /// Number of the line with the box, from 1.
    pub line: usize,
}

/// Why a box cannot be ticked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TickError {
    #[error("there is no task {index}; the document has {tasks}")]
    NoSuchTask { index: usize, tasks: usize },
    #[error("task {index} is done already")]
    AlreadyDone { index: usize },
}

impl SpecDocument {
    /// Reads any text; a text without tasks is a document without tasks.
    pub fn parse(text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = Lines::of(&text);
        let mut title = None;
        let mut phase = None;
        let mut tasks: Vec<Task> = Vec::new();
        let mut marks = Vec::new();
        for block in blocks(&text) {
            match block.role {
                Role::Heading { level: 1 } => {
                    phase = None;
                    title = title.or_else(|| non_empty(&block.plain));
                }
                Role::Heading { .. } => phase = non_empty(&block.plain),
                Role::Task { mark } => {
                    marks.push(mark.offset);
                    tasks.push(Task {
                        index: tasks.len(),
                        text: on_one_line(&text[block.range]),
                        details: Vec::new(),
                        phase: phase.clone(),
                        done: mark.done,
                        line: lines.number(mark.offset),
                    });
                }
                Role::Detail => {
                    if let (Some(task), Some(detail)) = (tasks.last_mut(), non_empty(&text[block.range])) {
                        task.details.push(detail);
                    }
                }
                Role::Prose | Role::FencedCode | Role::IndentedCode => {}
            }
        }
        Self {
            text,
            title,
            tasks,
            marks,
        }
    }

    /// The text that was parsed, byte for byte.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first heading of level 1, without markup.
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    pub fn open_tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| !task.done)
    }

    /// The task to do next.
    pub fn first_open(&self) -> Option<&Task> {
        self.open_tasks().next()
    }

    pub fn done_count(&self) -> usize {
        self.tasks.iter().filter(|task| task.done).count()
    }

    /// Whether there is at least one task and none is open.
    pub fn is_complete(&self) -> bool {
        !self.tasks.is_empty() && self.first_open().is_none()
    }

    /// The same document with the box of one task ticked: exactly one byte differs.
    ///
    /// # Errors
    /// There is no such task, or it is done already.
    pub fn tick(&self, index: usize) -> Result<Self, TickError> {
        let task = self.tasks.get(index).ok_or(TickError::NoSuchTask {
            index,
            tasks: self.tasks.len(),
        })?;
        if task.done {
            return Err(TickError::AlreadyDone { index });
        }
        let mut ticked = self.clone();
        ticked.set_done(index, true);
        Ok(ticked)
    }

    /// The same document with the boxes of these tasks open: one byte differs for each that was done.
    #[must_use]
    pub fn with_open(&self, indices: impl IntoIterator<Item = usize>) -> Self {
        let mut open = self.clone();
        for index in indices {
            open.set_done(index, false);
        }
        open
    }

    /// The same document with every box open: one byte differs for each task that was done.
    #[must_use]
    pub fn with_all_open(&self) -> Self {
        self.with_open(0..self.tasks.len())
    }

    /// Sets a box. Does not change the bytes of a box that has that state already (`[X]` stays `[X]`).
    pub(super) fn set_done(&mut self, index: usize, done: bool) {
        let (Some(task), Some(&mark)) = (self.tasks.get_mut(index), self.marks.get(index)) else {
            return;
        };
        if task.done != done {
            task.done = done;
            self.text.replace_range(mark..=mark, if done { "x" } else { " " });
        }
    }
}

fn non_empty(text: &str) -> Option<String> {
    Some(on_one_line(text)).filter(|text| !text.is_empty())
}
