//! Rules of the project that no compiler checks.
//!
//! Each rule is a function from texts or manifests to findings. What is excepted stands in [`exceptions`], each with a
//! reason; an exception that nothing needs any more is a finding itself.

mod arrows;
mod circles;
mod exceptions;
mod finding;
mod length;
mod manifests;
mod text;
mod tree;

use std::process::ExitCode;

use crate::workspace::Workspace;

use self::exceptions::EXCEPTIONS;
use self::finding::Rule;

/// Rules whose findings are printed and do not fail. A rule leaves this list once it has no findings.
const WARNINGS: &[Rule] = &[Rule::Circle];

/// Checks all rules and prints what breaks them, one `path:line: rule: what to do` a line.
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
    findings.extend(circles::findings(&members, &sources)?);
    findings.extend(tree::findings(workspace)?);
    let mut findings = exceptions::apply(findings, &EXCEPTIONS);
    findings.sort();
    let (warnings, findings): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| WARNINGS.contains(&finding.rule));

    for warning in &warnings {
        println!("warning: {warning}");
    }
    for finding in &findings {
        println!("{finding}");
    }
    if verbose {
        for note in length::notes(&sources) {
            println!("note: {note}");
        }
    }
    if !warnings.is_empty() {
        println!("tidy: {} warnings", warnings.len());
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
