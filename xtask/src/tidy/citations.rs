//! Tests and decisions that are cited exist.

use std::collections::BTreeSet;

use regex::Regex;

use super::finding::{Finding, Rule};
use crate::workspace::SourceFile;

/// Documents that name the tests that show what they say.
const NAME_TESTS: [&str; 3] = ["SPEC.md", "docs/attacks.md", "docs/faults.md"];

/// A name of so many words is a test's.
const TEST_NAME: &str = r"`(?:\w+::)*([a-z0-9]+(?:_[a-z0-9]+){3,})`";

const DECISION: &str = r"\bdocs/decisions/[A-Za-z0-9_-]+\.md\b";

/// Documents that are not part of the project.
const ELSEWHERE: &str = concat!(r"\b(FAUL", "TS|ATTA", "CKS|DESI", r"GN)\.md\b");

pub(crate) fn findings(sources: &[SourceFile]) -> anyhow::Result<Vec<Finding>> {
    let (test_name, decision, elsewhere) = (
        Regex::new(TEST_NAME)?,
        Regex::new(DECISION)?,
        Regex::new(ELSEWHERE)?,
    );
    let function = Regex::new(r"\bfn ([a-z0-9_]+)\s*[(<]")?;
    let paths: BTreeSet<&str> = sources.iter().map(|file| file.path.as_str()).collect();
    let functions: BTreeSet<&str> = sources
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .flat_map(|file| function.captures_iter(&file.text))
        .filter_map(|found| found.get(1))
        .map(|name| name.as_str())
        .collect();
    let mut findings = Vec::new();
    for file in sources {
        for (index, line) in file.text.lines().enumerate() {
            let mut report = |what: String| {
                findings.push(Finding::new(&file.path, index + 1, Rule::Citation, what));
            };
            if NAME_TESTS.contains(&file.path.as_str()) {
                for name in test_name.captures_iter(line).filter_map(|found| found.get(1)) {
                    if !functions.contains(name.as_str()) {
                        report(format!("there is no test `{}`", name.as_str()));
                    }
                }
            }
            for name in decision.find_iter(line) {
                if !paths.contains(name.as_str()) {
                    report(format!("there is no {}", name.as_str()));
                }
            }
            if let Some(name) = elsewhere.find(line) {
                report(format!(
                    "{} is not part of the project: cite docs/faults.md, docs/attacks.md or docs/decisions/",
                    name.as_str()
                ));
            }
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<SourceFile> = files
            .iter()
            .map(|(path, text)| SourceFile {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        findings(&sources)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_test_that_is_named_and_missing_is_found() {
        let files = [
            (
                "docs/faults.md",
                "| 1 | `a_lost_reply_is_found` | `it::a_lost_item_is_found` |",
            ),
            ("crates/a/tests/it/main.rs", "async fn a_lost_item_is_found() {}"),
        ];
        assert_eq!(
            found(&files),
            ["docs/faults.md:1: citation: there is no test `a_lost_reply_is_found`"]
        );
    }

    #[test]
    fn a_decision_that_is_cited_and_missing_is_found() {
        let files = [
            (
                "crates/a/src/lib.rs",
                "//! See docs/faults.md, row 3, and docs/decisions/0001-x.md.",
            ),
            ("docs/faults.md", "| 3 |"),
        ];
        assert_eq!(
            found(&files),
            ["crates/a/src/lib.rs:1: citation: there is no docs/decisions/0001-x.md"]
        );
    }

    #[test]
    fn a_document_of_another_place_is_found() {
        let line = concat!("// FAUL", "TS.md, row 3.");
        assert_eq!(found(&[("crates/a/src/lib.rs", line)]).len(), 1);
    }
}
