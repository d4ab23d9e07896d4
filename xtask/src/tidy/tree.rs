//! Indirect dependencies that are not allowed.

use std::process::Command;

use anyhow::{Context as _, ensure};

use super::finding::{Finding, Rule};
use crate::workspace::Workspace;

/// Crates of plain values: no I/O, no async.
const VALUES_ONLY: [&str; 2] = ["ralph-contract", "whim-core"];

const INPUT_AND_OUTPUT: [&str; 6] = ["tokio", "reqwest", "hyper", "axum", "sqlx", "rustls"];

pub(crate) fn findings(workspace: &Workspace) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in VALUES_ONLY {
        let tree = Command::new("cargo")
            .args([
                "tree",
                "--offline",
                "--package",
                package,
                "--edges",
                "normal",
                "--no-default-features",
            ])
            .args(["--prefix", "none", "--format", "{p}"])
            .current_dir(workspace.root())
            .output()
            .context("running cargo tree")?;
        ensure!(
            tree.status.success(),
            "cargo tree failed: {}",
            String::from_utf8_lossy(&tree.stderr)
        );
        findings.extend(in_tree(package, &String::from_utf8_lossy(&tree.stdout)));
    }
    Ok(findings)
}

fn in_tree(package: &str, tree: &str) -> Vec<Finding> {
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    INPUT_AND_OUTPUT
        .iter()
        .filter(|forbidden| names.contains(*forbidden))
        .map(|forbidden| {
            let what =
                format!("`{forbidden}` is an indirect dependency: see `cargo tree -p {package} -e normal -i {forbidden}`");
            Finding::new(format!("crates/{package}/Cargo.toml"), 1, Rule::Arrow, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_and_output_in_a_tree_of_values_is_found() {
        let tree = "whim-core v0.1.0 (/somewhere/crates/whim-core)\nserde v1.0.229\ntokio v1.54.1\ntokio-util v0.7.20\n";
        let found: Vec<String> = in_tree("whim-core", tree)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "crates/whim-core/Cargo.toml:1: crate dependency: `tokio` is an indirect dependency: \
              see `cargo tree -p whim-core -e normal -i tokio`"
            ]
        );
    }

    #[test]
    fn a_tree_of_values_has_no_findings() {
        assert_eq!(
            in_tree(
                "whim-core",
                "whim-core v0.1.0\nserde v1.0.229\ntokio-macros v2.0.0\n"
            ),
            []
        );
    }
}
