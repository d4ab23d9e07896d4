//! `ralph init`: a SPEC.md to fill in.

use std::path::Path;

use anyhow::bail;
use ralph_contract::{ExitCode, SpecDocument, files};

use crate::output::print;
use crate::spec_file::SpecFile;

const TEMPLATE: &str = include_str!("../prompts/template.md");

/// Writes the template, unless there is a file already.
pub(crate) fn init(directory: &Path, named: Option<&str>) -> anyhow::Result<ExitCode> {
    let file = SpecFile::locate(directory, Some(named.unwrap_or(files::SPEC)));
    let shown = file.shown();
    if file.exists() {
        bail!("{shown} is there already, and stays as it is");
    }
    file.write(&SpecDocument::parse(TEMPLATE))?;
    print(&format!(
        "{shown} is there: fill it in, then `ralph validate` and `ralph run`"
    ))?;
    Ok(ExitCode::Complete)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_a_valid_document_with_open_tasks() {
        let document = SpecDocument::parse(TEMPLATE);
        assert_eq!(document.violations(), []);
        document.check_submittable().unwrap();
    }
}
