//! Rules about `Cargo.toml`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;
use cargo_metadata::MetadataCommand;
use toml::{Table, Value};

use super::finding::{Finding, Rule};
use crate::workspace::{SourceFile, Workspace};

/// A parsed `Cargo.toml`.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Relative to the workspace's root.
    pub(crate) path: String,
    text: String,
    table: Table,
}

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) manifest: Manifest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    /// Enabled by a feature.
    Optional,
    Development,
    Build,
}

/// One line of a dependency table.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    inherits: bool,
}

impl Manifest {
    pub(crate) fn parse(path: impl Into<String>, text: impl Into<String>) -> anyhow::Result<Self> {
        let (path, text) = (path.into(), text.into());
        let table = text.parse().with_context(|| format!("reading {path}"))?;
        Ok(Self { path, text, table })
    }

    /// The line that sets `name`; the first line if none does.
    pub(crate) fn line_of(&self, name: &str) -> usize {
        let sets_name = |line: &str| {
            let rest = line.trim_start().strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
        };
        self.text.lines().position(sets_name).map_or(1, |index| index + 1)
    }

    /// All dependencies, including those of single targets.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let targets = self.table.get("target").and_then(Value::as_table);
        let target_tables = targets
            .into_iter()
            .flat_map(Table::values)
            .filter_map(Value::as_table);
        std::iter::once(&self.table)
            .chain(target_tables)
            .flat_map(|table| {
                dependencies_of(table, "dependencies", Kind::Normal)
                    .chain(dependencies_of(table, "dev-dependencies", Kind::Development))
                    .chain(dependencies_of(table, "build-dependencies", Kind::Build))
            })
            .collect()
    }
}

fn dependencies_of<'table>(
    table: &'table Table,
    section: &str,
    kind: Kind,
) -> impl Iterator<Item = Dependency> + use<'table> {
    let section = table.get(section).and_then(Value::as_table);
    section.into_iter().flatten().map(move |(name, value)| {
        let is_set = |key: &str| value.get(key).and_then(Value::as_bool) == Some(true);
        let kind = if is_set("optional") { Kind::Optional } else { kind };
        Dependency {
            name: name.clone(),
            kind,
            inherits: is_set("workspace"),
        }
    })
}

pub(crate) fn read_root(workspace: &Workspace) -> anyhow::Result<Manifest> {
    let text = fs::read_to_string(workspace.root().join("Cargo.toml")).context("reading Cargo.toml")?;
    Manifest::parse("Cargo.toml", text)
}

pub(crate) fn read_members(workspace: &Workspace) -> anyhow::Result<Vec<Member>> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace.root())
        .no_deps()
        .exec()
        .context("running cargo metadata")?;
    let mut members = Vec::new();
    for package in metadata.workspace_packages() {
        let absolute = package.manifest_path.as_std_path();
        let path = absolute
            .strip_prefix(workspace.root())
            .unwrap_or(absolute)
            .to_string_lossy();
        let text = fs::read_to_string(absolute).with_context(|| format!("reading {path}"))?;
        let manifest = Manifest::parse(path, text)?;
        members.push(Member {
            name: package.name.to_string(),
            manifest,
        });
    }
    members.sort_by(|first, second| first.name.cmp(&second.name));
    Ok(members)
}

pub(crate) fn findings(members: &[Member], root: &Manifest, sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = members
        .iter()
        .flat_map(|member| in_member(member, sources))
        .collect();
    findings.extend(unused_versions(members, root));
    findings
}

fn in_member(member: &Member, sources: &[SourceFile]) -> Vec<Finding> {
    let manifest = &member.manifest;
    let mut findings = Vec::new();
    let lints = manifest
        .table
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(Value::as_bool);
    if lints != Some(true) {
        let what = "inherit the workspace's lints: `[lints]` with `workspace = true`";
        findings.push(Finding::new(&manifest.path, 1, Rule::Lints, what));
    }
    let directory = manifest.path.trim_end_matches("Cargo.toml");
    let own_code: Vec<&SourceFile> = sources
        .iter()
        .filter(|file| file.path.starts_with(directory) && file.path.ends_with(".rs"))
        .collect();
    for dependency in manifest.dependencies() {
        let name = &dependency.name;
        let line = manifest.line_of(name);
        if !dependency.inherits {
            let what = format!("write `{name}.workspace = true`, and its version once in the root manifest");
            findings.push(Finding::new(
                &manifest.path,
                line,
                Rule::WorkspaceDependency,
                what,
            ));
        }
        let identifier = name.replace('-', "_");
        let used = own_code.iter().any(|file| {
            let in_program = file.path[directory.len()..].starts_with("src/");
            let counts = dependency.kind == Kind::Development || in_program;
            counts && mentions(&file.text, &identifier)
        });
        // No crate has a build script.
        if !used && dependency.kind != Kind::Build {
            let what = format!("this crate does not mention `{identifier}`: remove it");
            findings.push(Finding::new(&manifest.path, line, Rule::UnusedDependency, what));
        }
    }
    findings
}

/// Versions in the root manifest that no crate uses.
fn unused_versions(members: &[Member], root: &Manifest) -> Vec<Finding> {
    let used: BTreeSet<String> = members
        .iter()
        .flat_map(|member| member.manifest.dependencies())
        .map(|dependency| dependency.name)
        .collect();
    let versions = root
        .table
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    let names = versions
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::keys);
    names
        .filter(|name| !used.contains(*name))
        .map(|name| {
            let what = format!("no crate depends on `{name}`: remove it");
            Finding::new(&root.path, root.line_of(name), Rule::UnusedDependency, what)
        })
        .collect()
}

/// Whether `text` contains `identifier` as a whole word.
fn mentions(text: &str, identifier: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(identifier).any(|(begin, found)| {
        let before = text[..begin].chars().next_back();
        let after = text[begin + found.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(text: &str) -> Member {
        let manifest = Manifest::parse("crates/a/Cargo.toml", text).unwrap();
        Member {
            name: "a".to_owned(),
            manifest,
        }
    }

    fn source(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn found(member: &Member, sources: &[SourceFile]) -> Vec<String> {
        in_member(member, sources)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_good_manifest_has_no_findings() {
        let good = member(
            "[lints]\nworkspace = true\n[dependencies]\ntokio-util.workspace = true\n\
             sqlx = { workspace = true, optional = true }\n[dev-dependencies]\ninsta.workspace = true\n",
        );
        let sources = [
            source("crates/a/src/lib.rs", "use tokio_util::io; #[derive(sqlx::Type)]"),
            source("crates/a/tests/it/main.rs", "insta::assert_snapshot!(1)"),
        ];
        assert_eq!(found(&good, &sources), [""; 0]);
    }

    #[test]
    fn lints_are_inherited_and_versions_are_in_the_root_manifest() {
        let bad = member(
            "[dependencies]\nserde = \"1\"\n[target.'cfg(unix)'.dependencies]\nrustix = { version = \"1\" }\n",
        );
        let sources = [source(
            "crates/a/src/lib.rs",
            "use serde::Serialize; use rustix::fs;",
        )];
        assert_eq!(
            found(&bad, &sources),
            [
                "crates/a/Cargo.toml:1: lints: inherit the workspace's lints: `[lints]` with `workspace = true`",
                "crates/a/Cargo.toml:2: workspace dependency: write `serde.workspace = true`, \
                 and its version once in the root manifest",
                "crates/a/Cargo.toml:4: workspace dependency: write `rustix.workspace = true`, \
                 and its version once in the root manifest",
            ]
        );
    }

    #[test]
    fn a_dependency_that_only_tests_need_is_not_a_normal_one() {
        let bad = member("[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n");
        let sources = [
            source("crates/a/src/lib.rs", "use serde_json::Value;"),
            source("crates/a/tests/it/main.rs", "use serde::Serialize;"),
            source("crates/ab/src/lib.rs", "use serde::Serialize;"),
        ];
        assert_eq!(
            found(&bad, &sources),
            ["crates/a/Cargo.toml:4: unused dependency: this crate does not mention `serde`: remove it"]
        );
    }

    #[test]
    fn a_version_that_no_crate_uses_is_found() {
        let text = "[workspace.dependencies]\nserde = \"1\"\nurl = { version = \"2\" }\n";
        let root = Manifest::parse("Cargo.toml", text).unwrap();
        let members = [member("[dependencies]\nserde.workspace = true\n")];
        let found: Vec<String> = unused_versions(&members, &root)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            ["Cargo.toml:3: unused dependency: no crate depends on `url`: remove it"]
        );
    }
}
