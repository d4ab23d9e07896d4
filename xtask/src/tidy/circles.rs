//! Circles of modules within a crate: a file that uses an item of another, which uses an item of the first.
//!
//! Files are the nodes. An edge goes from a file to the file that defines an item it uses; what a module only
//! re-exports counts for the module that defines it. Method calls are not seen (their types are not known here), and
//! `mod child;` alone is no edge.

mod graph;
mod modules;
mod uses;

use std::collections::BTreeMap;

use anyhow::Context as _;

use self::graph::Graph;
use self::modules::Modules;
use super::finding::{Finding, Rule};
use super::manifests::Member;
use crate::workspace::SourceFile;

/// Items named per edge of a circle.
const MAX_ITEMS_SHOWN: usize = 4;

pub(crate) fn findings(members: &[Member], sources: &[SourceFile]) -> anyhow::Result<Vec<Finding>> {
    let texts: BTreeMap<&str, &str> = sources
        .iter()
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let mut findings = Vec::new();
    for member in members {
        let source_directory = member.manifest.path.replace("Cargo.toml", "src/");
        for root in ["lib.rs", "main.rs"] {
            let root = format!("{source_directory}{root}");
            if texts.contains_key(root.as_str()) {
                let found = in_crate(&root, &texts);
                findings.extend(found.with_context(|| format!("reading the modules of {root}"))?);
            }
        }
    }
    Ok(findings)
}

fn in_crate(root: &str, texts: &BTreeMap<&str, &str>) -> anyhow::Result<Vec<Finding>> {
    let modules = Modules::read(root, texts)?;
    let graph = uses::graph(&modules);
    Ok(graph
        .circles()
        .iter()
        .map(|circle| describe(circle, &graph))
        .collect())
}

fn describe(circle: &[String], graph: &Graph) -> Finding {
    let next_files = circle.iter().cycle().skip(1);
    let mut line = 1;
    let mut text = String::new();
    for (index, (file, next)) in circle.iter().zip(next_files).enumerate() {
        let items = graph.items(file, next);
        if index == 0 {
            line = items.values().copied().min().unwrap_or(1);
            text.push_str(short(file));
        }
        let mut names: Vec<&str> = items.keys().map(String::as_str).take(MAX_ITEMS_SHOWN).collect();
        if items.len() > MAX_ITEMS_SHOWN {
            names.push("…");
        }
        text.push_str(&format!(" → {} ({})", short(next), names.join(", ")));
    }
    let what = format!("{text}: move the items that both sides need into a module below them");
    Finding::new(&circle[0], line, Rule::Circle, what)
}

fn short(path: &str) -> &str {
    path.split_once("/src/").map_or(path, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of a crate with these files below `crates/a/src/`, without the advice.
    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let paths: Vec<String> = files
            .iter()
            .map(|(path, _)| format!("crates/a/src/{path}"))
            .collect();
        let texts = paths
            .iter()
            .map(String::as_str)
            .zip(files.iter().map(|(_, text)| *text))
            .collect();
        in_crate("crates/a/src/lib.rs", &texts)
            .unwrap()
            .iter()
            .map(|finding| finding.what_to_do.split(':').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn two_files_that_use_items_of_each_other_are_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod claim; mod pause;"),
            ("claim.rs", "use crate::pause::Pause; pub struct Claim;"),
            ("pause.rs", "use super::claim::Claim; pub struct Pause;"),
        ]);
        assert_eq!(found, ["claim.rs → pause.rs (Pause) → claim.rs (Claim)"]);
    }

    #[test]
    fn an_inline_path_is_a_use_also_within_a_macro_call() {
        let found = circles(&[
            ("lib.rs", "mod claim; mod pause;"),
            (
                "claim.rs",
                "use crate::pause; pub fn claim() { let _x = pause::LIMIT; }",
            ),
            (
                "pause.rs",
                "pub const LIMIT: u32 = 1; fn show() { println!(\"{:?}\", crate::claim::claim()); }",
            ),
        ]);
        assert_eq!(found, ["claim.rs → pause.rs (LIMIT) → claim.rs (claim)"]);
    }

    #[test]
    fn a_parent_that_uses_a_child_which_uses_the_parents_items_is_a_circle() {
        let found = circles(&[
            ("lib.rs", "mod dispatch;"),
            (
                "dispatch.rs",
                "mod claim; pub struct Dispatcher; pub fn run() { claim::claim(); }",
            ),
            (
                "dispatch/claim.rs",
                "use super::Dispatcher; pub fn claim() -> Dispatcher { Dispatcher }",
            ),
        ]);
        assert_eq!(
            found,
            ["dispatch.rs → dispatch/claim.rs (claim) → dispatch.rs (Dispatcher)"]
        );
    }

    #[test]
    fn what_a_parent_only_declares_or_passes_on_is_no_use_of_it() {
        let found = circles(&[
            ("lib.rs", "mod dispatch; pub use dispatch::Claim;"),
            (
                "dispatch.rs",
                "mod claim; mod slots; pub use self::claim::Claim; pub struct Dispatcher;",
            ),
            ("dispatch/claim.rs", "use super::Dispatcher; pub struct Claim;"),
            (
                "dispatch/slots.rs",
                "use crate::dispatch::Claim; pub struct Slots;",
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn what_a_parent_passes_on_and_uses_itself_is_a_use() {
        let found = circles(&[
            ("lib.rs", "mod dispatch;"),
            (
                "dispatch.rs",
                "mod claim; pub use self::claim::*; pub struct Dispatcher { claim: Claim }",
            ),
            ("dispatch/claim.rs", "use super::Dispatcher; pub struct Claim;"),
        ]);
        assert_eq!(
            found,
            ["dispatch.rs → dispatch/claim.rs (Claim) → dispatch.rs (Dispatcher)"]
        );
    }

    #[test]
    fn a_circle_of_three_is_shown_from_file_to_file() {
        let found = circles(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::c::C; pub struct B;"),
            ("c.rs", "use crate::a::A; pub struct C;"),
        ]);
        assert_eq!(found, ["a.rs → b.rs (B) → c.rs (C) → a.rs (A)"]);
    }

    #[test]
    fn tests_and_names_of_other_crates_are_ignored() {
        let found = circles(&[
            ("lib.rs", "mod metrics; mod work;"),
            (
                "metrics.rs",
                "pub fn counter() {} pub struct Total(crate::work::Work);",
            ),
            (
                "work.rs",
                "pub struct Work; fn f() { metrics::counter!(\"x\"); } \
                 #[cfg(test)] mod tests { use super::*; use crate::metrics::counter; }",
            ),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
