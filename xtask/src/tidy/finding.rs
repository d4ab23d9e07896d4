//! One place that breaks a rule.

use std::fmt;

/// One place that breaks a rule. Sorts by file and line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the workspace's root.
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    /// A sentence without an end.
    pub(crate) what_to_do: String,
}

/// The rules, for `exceptions.rs` and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    FileLength,
    ProgramLength,
    ModuleFile,
    OpenEnd,
    MachinePath,
    Shell,
    BuiltSql,
    WebTypes,
    Lints,
    WorkspaceDependency,
    UnusedDependency,
    Arrow,
    Circle,
    Citation,
    Setting,
    Word,
    Exception,
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::FileLength => "file length",
            Self::ProgramLength => "main.rs length",
            Self::ModuleFile => "module file",
            Self::OpenEnd => "open end",
            Self::MachinePath => "path of one machine",
            Self::Shell => "shell",
            Self::BuiltSql => "built SQL",
            Self::WebTypes => "web types",
            Self::Lints => "lints",
            Self::WorkspaceDependency => "workspace dependency",
            Self::UnusedDependency => "unused dependency",
            Self::Arrow => "crate dependency",
            Self::Circle => "circle of modules",
            Self::Citation => "citation",
            Self::Setting => "setting",
            Self::Word => "word",
            Self::Exception => "exception",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}: {}: {}",
            self.path, self.line, self.rule, self.what_to_do
        )
    }
}

impl Finding {
    pub(crate) fn new(
        path: impl Into<String>,
        line: usize,
        rule: Rule,
        what_to_do: impl Into<String>,
    ) -> Self {
        Self {
            path: path.into(),
            line,
            rule,
            what_to_do: what_to_do.into(),
        }
    }
}
