//! `ralph init`: a SPEC.md to fill in.

use std::path::Path;

use anyhow::bail;
use ralph_contract::{ExitCode, SpecDocument, TEMPLATE, files};

use crate::output::print;
use crate::spec_file::SpecFile;

/// Writes the template, unless the file exists.
pub(crate) fn init(directory: &Path, named: Option<&str>) -> anyhow::Result<ExitCode> {
    let file = SpecFile::locate(directory, Some(named.unwrap_or(files::SPEC)));
    let shown = file.shown();
    if file.exists() {
        bail!("{shown} exists already and is not overwritten");
    }
    file.write(&SpecDocument::parse(TEMPLATE))?;
    print(&format!(
        "wrote {shown}: replace its placeholders, check it with `ralph validate`, then start `ralph run`"
    ))?;
    Ok(ExitCode::Complete)
}
