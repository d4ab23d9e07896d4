//! A broken convention and how to fix it.

use std::fmt;

/// One place where a document breaks a convention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// From 1.
    pub line: usize,
    pub kind: ViolationKind,
    /// The offending text, on one line and shortened.
    pub excerpt: String,
}

/// The conventions of SPEC.md: it states requirements, not their implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ViolationKind {
    /// No heading of level 1 to take the pull request's title from.
    NoTitle,
    NoTasks,
    /// A box without text.
    TaskWithoutText,
    /// Text of the template that `ralph init` writes.
    Placeholder,
    /// Code outside an example.
    CodeSnippet,
    /// A line of a file, which moves as soon as the file is edited.
    FileLineReference,
    ShellCommand,
    /// A section about the implementation.
    TechnicalNotesSection,
    /// A step instead of a result.
    ImplementationInstruction,
}

impl ViolationKind {
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoTitle => "there is no title",
            Self::NoTasks => "there is no task",
            Self::TaskWithoutText => "the task has no text",
            Self::Placeholder => "placeholder of the template",
            Self::CodeSnippet => "code snippet outside an example",
            Self::FileLineReference => "reference to a line of a file",
            Self::ShellCommand => "shell command",
            Self::TechnicalNotesSection => "section of technical notes",
            Self::ImplementationInstruction => "implementation instruction",
        }
    }

    pub fn suggestion(self) -> &'static str {
        match self {
            Self::NoTitle => "begin with a `# Title` that names the result",
            Self::NoTasks => "write each requirement as a `- [ ] …` item",
            Self::TaskWithoutText => "write what is true when the box is ticked, or remove the box",
            Self::Placeholder => "replace it with your own text",
            Self::CodeSnippet => {
                "describe the behaviour in words, or put the block under an `Example` heading where it shows input or output"
            }
            Self::FileLineReference => {
                "name the behaviour, or the file without a line: lines move while the tasks are done"
            }
            Self::ShellCommand => {
                "name the result (\"has the zod dependency\", \"all tests pass\") instead of the command"
            }
            Self::TechnicalNotesSection => "move what is required into tasks and leave out the rest",
            Self::ImplementationInstruction => {
                "name the deliverable (\"passwords are stored hashed\") instead of the step that leads to it"
            }
        }
    }
}

impl Violation {
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    pub fn suggestion(&self) -> &'static str {
        self.kind.suggestion()
    }
}

/// Line, reason, excerpt and suggestion, on one line.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, kind, excerpt } = self;
        write!(f, "line {line}: {}", kind.reason())?;
        if !excerpt.is_empty() {
            // Inline code that contains backticks needs two of them as its fence.
            if excerpt.contains('`') {
                write!(f, ": `` {excerpt} ``")?;
            } else {
                write!(f, ": `{excerpt}`")?;
            }
        }
        write!(f, "; {}", kind.suggestion())
    }
}
