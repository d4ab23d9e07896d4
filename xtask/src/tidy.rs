//! Rules of the project that no compiler checks.
//!
//! Each rule is a function from texts or manifests to findings. [`exceptions`] lists exceptions with their reasons; an
//! unused exception is a finding too.

mod arrows;
mod circles;
mod citations;
mod exceptions;
mod finding;
mod length;
mod manifests;
mod prose;
mod settings;
mod text;
mod tree;
mod words;

use std::process::ExitCode;

use crate::workspace::Workspace;

use self::exceptions::EXCEPTIONS;

/// Checks all rules and prints the findings, one `path:line: rule: what to do` per line.
///
/// # Errors
/// The workspace cannot be read.
pub fn run(workspace: &Workspace, verbose: bool) -> anyhow::Result<ExitCode> {
    let sources = workspace.sources()?;
    let members = manifests::read_members(workspace)?;
    let root_manifest = manifests::read_root(workspace)?;

    let mut findings = length::findings(&sources);
    findings.extend(text::findings(&sources, workspace.root())?);
    findings.extend(manifests::findings(&members, &root_manifest, &sources));
    findings.extend(arrows::findings(&members));
    findings.extend(words::findings(&sources)?);
    findings.extend(settings::findings(&sources)?);
    findings.extend(citations::findings(&sources)?);
    findings.extend(circles::findings(&members, &sources)?);
    findings.extend(tree::findings(workspace)?);
    let mut findings = exceptions::apply(findings, &EXCEPTIONS);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if verbose {
        for note in length::notes(&sources) {
            println!("note: {note}");
        }
    }
    let files = sources.len();
    Ok(if findings.is_empty() {
        println!("tidy: {files} files and {} crates keep the rules", members.len());
        ExitCode::SUCCESS
    } else {
        println!("tidy: {} findings", findings.len());
        ExitCode::FAILURE
    })
}
