//! `ralph validate`: whether a SPEC.md keeps the conventions.

use std::path::Path;

use anyhow::bail;
use ralph_contract::{ExitCode, SpecDocument};

use crate::output::print;
use crate::spec_file::SpecFile;

/// Prints each violation with its line, its reason and a better way to say it.
pub(crate) fn validate(directory: &Path, named: Option<&str>) -> anyhow::Result<ExitCode> {
    let file = SpecFile::locate(directory, named);
    let shown = file.shown();
    let Some(text) = file.read()? else {
        bail!("there is no {shown}; `ralph init` makes one");
    };
    let document = SpecDocument::parse(text);
    let violations = document.violations();
    if violations.is_empty() {
        let (tasks, done) = (document.tasks().len(), document.done_count());
        print(&format!(
            "{shown}: {tasks} tasks, {done} of them done; no violation"
        ))?;
        return Ok(ExitCode::Complete);
    }
    let lines: Vec<_> = violations
        .iter()
        .map(|violation| format!("{shown}: {violation}"))
        .collect();
    print(&lines.join("\n"))?;
    Ok(ExitCode::Error)
}
