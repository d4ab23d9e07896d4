//! The packages of a Node.js workspace.

use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::project::Project;

/// Limit on the directories that a pattern of a workspace matches.
const MAX_PACKAGES: usize = 1000;
/// Patterns that are read.
const MAX_PATTERNS: usize = 50;

/// The part of `pnpm-workspace.yaml` that names packages.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PnpmWorkspace {
    packages: Vec<String>,
}

/// Whether a package of the workspace has a script `test`.
pub(super) fn has_tests(project: &Project<'_>, manifest: &Value) -> io::Result<bool> {
    for pattern in patterns(project, manifest)? {
        for directory in expand(project, &pattern)? {
            let Some(text) = project.files.read(&format!("{directory}/package.json"))? else {
                continue;
            };
            if has_test_script(&serde_json::from_str(&text).unwrap_or_default()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The default of `npm init` does not count.
pub(super) fn has_test_script(manifest: &Value) -> bool {
    let script = manifest
        .pointer("/scripts/test")
        .and_then(Value::as_str)
        .unwrap_or_default();
    !script.trim().is_empty() && !script.contains("no test specified")
}

/// From `pnpm-workspace.yaml`, or the field `workspaces` in either of its forms. Exclusions are omitted.
fn patterns(project: &Project<'_>, manifest: &Value) -> io::Result<Vec<String>> {
    let mut patterns = match project.files.read("pnpm-workspace.yaml")? {
        Some(text) => {
            serde_saphyr::from_str::<PnpmWorkspace>(&text)
                .unwrap_or_default()
                .packages
        }
        None => {
            let workspaces = manifest.get("workspaces");
            let list = workspaces
                .and_then(Value::as_array)
                .or_else(|| workspaces.and_then(|object| object.get("packages")?.as_array()));
            let texts = list.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        }
    };
    patterns.retain(|pattern| !pattern.starts_with('!'));
    patterns.truncate(MAX_PATTERNS);
    Ok(patterns)
}

/// The directories that a pattern matches. `*` is the only wildcard; `**` matches one or two levels.
fn expand(project: &Project<'_>, pattern: &str) -> io::Result<Vec<String>> {
    let mut found = vec![String::new()];
    for part in pattern
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
    {
        let mut next = Vec::new();
        for directory in &found {
            if part == "**" {
                let one = children(project, directory, "*")?;
                for child in &one {
                    next.extend(children(project, child, "*")?);
                }
                next.extend(one);
            } else {
                next.extend(children(project, directory, part)?);
            }
            next.truncate(MAX_PACKAGES);
        }
        found = next;
    }
    Ok(found)
}

fn children(project: &Project<'_>, directory: &str, part: &str) -> io::Result<Vec<String>> {
    let below = |name: &str| {
        if directory.is_empty() {
            name.to_owned()
        } else {
            format!("{directory}/{name}")
        }
    };
    let Some((prefix, suffix)) = part.split_once('*') else {
        let path = below(part);
        let is_found = project.files.has_directory(&path);
        return Ok(is_found.then_some(path).into_iter().collect());
    };
    let is_match = |name: &String| {
        name.len() >= prefix.len() + suffix.len()
            && name.starts_with(prefix)
            && name.ends_with(suffix)
            && name != "node_modules"
            && !name.starts_with('.')
    };
    let names = project.files.names(directory)?.into_iter().filter(is_match);
    let paths = names.map(|name| below(&name));
    Ok(paths.filter(|path| project.files.has_directory(path)).collect())
}
