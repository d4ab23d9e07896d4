//! What a broken convention is, and how to say it better.

use std::fmt;

/// One place where a document breaks a convention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Number of the line, from 1.
    pub line: usize,
    /// Which convention is broken.
    pub kind: ViolationKind,
    /// The words that break it, on one line and not too long.
    pub excerpt: String,
}

/// The conventions of SPEC.md: it says what is wanted, not how it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ViolationKind {
    /// No heading of level 1 to take the pull request's title from.
    NoTitle,
    /// No checkbox.
    NoTasks,
    /// A box with nothing behind it.
    TaskWithoutText,
    /// Code outside an example.
    CodeSnippet,
    /// A place in a file that will have moved when the task is done.
    FileLineReference,
    /// A command to run.
    ShellCommand,
    /// A section about the how.
    TechnicalNotesSection,
    /// A step to take instead of a result to reach.
    ImplementationInstruction,
}

impl ViolationKind {
    /// What is wrong.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoTitle => "there is no title",
            Self::NoTasks => "there is no task",
            Self::TaskWithoutText => "the task has no text",
            Self::CodeSnippet => "code snippet outside an example",
            Self::FileLineReference => "reference to a line of a file",
            Self::ShellCommand => "shell command",
            Self::TechnicalNotesSection => "section of technical notes",
            Self::ImplementationInstruction => "implementation instruction",
        }
    }

    /// What to write instead.
    pub fn suggestion(self) -> &'static str {
        match self {
            Self::NoTitle => "begin with a `# Title` that names the result",
            Self::NoTasks => "write each requirement as a `- [ ] …` item",
            Self::TaskWithoutText => "say what is to be true when the box is ticked, or remove the box",
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
    /// What is wrong.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// What to write instead.
    pub fn suggestion(&self) -> &'static str {
        self.kind.suggestion()
    }
}

/// Line, reason, the words, and the better way, on one line.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, kind, excerpt } = self;
        write!(f, "line {line}: {}", kind.reason())?;
        if !excerpt.is_empty() {
            // The excerpt may hold backticks of its own.
            if excerpt.contains('`') {
                write!(f, ": `` {excerpt} ``")?;
            } else {
                write!(f, ": `{excerpt}`")?;
            }
        }
        write!(f, "; {}", kind.suggestion())
    }
}
