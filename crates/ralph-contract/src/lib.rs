#![doc = include_str!("../README.md")]

pub mod content;
mod event;
mod exit;
pub mod files;
mod line;
pub mod pre_edit;
mod review;
mod spec;
mod stats;
mod surrogates;
mod warning;

pub use event::{
    Commit, Complete, Event, Failed, Iteration, IterationDone, IterationPhase, Message, MessageRole,
    ReviewComplete, ReviewFailed, SpecGenerationComplete, SpecGenerationFailed, Started, Stuck, TaskComplete,
    TaskReopened, Tool, ToolKind, ToolResult, Warning,
};
pub use exit::{ExitCode, UnknownExitCode};
pub use line::{Line, parse_line, parse_line_and_json, to_line};
pub use review::{REVIEW_SCHEMA, Review, ReviewError, ReviewFinding, ReviewSeverity};
pub use spec::{
    MAX_SPEC_BYTES, MAX_TASKS, NotSubmittable, Reconciled, SpecDocument, TEMPLATE, Task, TickError,
    Violation, ViolationKind,
};
pub use stats::IterationStats;
pub use surrogates::without_lone_surrogates;
pub use warning::WarningKind;
