//! `ralph validate`: checks a SPEC.md against the conventions.

use std::path::Path;

use anyhow::bail;
use ralph_contract::{ExitCode, SpecDocument};

use crate::output::print;
use crate::spec_file::SpecFile;
use crate::text::counted;

/// Prints each violation with its line, its reason and a suggestion.
pub(crate) fn validate(directory: &Path, named: Option<&str>) -> anyhow::Result<ExitCode> {
    let file = SpecFile::locate(directory, named);
    let shown = file.shown();
    let Some(text) = file.read()? else {
        bail!("{shown} does not exist; `ralph init` writes a template");
    };
    let document = SpecDocument::parse(text);
    let violations = document.violations();
    if violations.is_empty() {
        let (tasks, done) = (document.tasks().len(), document.done_count());
        let tasks = counted(tasks as u64, "task");
        print(&format!("{shown}: {tasks}, {done} done; no violations"))?;
        return Ok(ExitCode::Complete);
    }
    let lines: Vec<_> = violations
        .iter()
        .map(|violation| format!("{shown}: {violation}"))
        .collect();
    print(&lines.join("\n"))?;
    Ok(ExitCode::Error)
}
