//! Detects how a project is tested, from the files in its root directory. Every kind of project that is found gives one
//! check; a makefile counts only if there is no other.
//!
//! All of these files are untrusted.

mod native;
mod node;
mod node_workspaces;
mod project;
mod python;
mod python_manifest;

use std::io;
use std::path::Path;

use self::project::{Files, Project};
use super::plan::Check;
use super::tools::Tools;

/// Finds one kind of project.
type Detector = fn(&Project<'_>) -> io::Result<Option<Check>>;

/// The checks of the project in `root`. Packages and build results go to `state`, which belongs to this checkout alone.
///
/// # Errors
/// `root` cannot be read.
pub fn detect(root: &Path, state: &Path, tools: &Tools) -> io::Result<Vec<Check>> {
    let project = Project {
        files: Files::new(root),
        state,
        tools,
    };
    let kinds: [Detector; 14] = [
        native::rust,
        node::detect,
        native::deno,
        python::detect,
        native::go,
        native::maven,
        native::gradle,
        native::ruby,
        native::php,
        native::dotnet,
        native::elixir,
        native::swift,
        native::cmake,
        native::make,
    ];
    let mut checks = Vec::new();
    for kind in kinds {
        checks.extend(kind(&project)?);
    }
    let is_make = |check: &Check| check.name == native::MAKE;
    if checks.len() > 1 {
        checks.retain(|check| !is_make(check));
    }
    Ok(checks)
}
