//! The conventions of SPEC.md, checked.

use super::{SpecDocument, Violation, ViolationKind};

/// Every broken convention, from top to bottom.
pub(super) fn violations(document: &SpecDocument) -> Vec<Violation> {
    let mut found = Vec::new();
    if document.title().is_none() {
        found.push(Violation {
            line: 1,
            kind: ViolationKind::NoTitle,
            excerpt: String::new(),
        });
    }
    if document.tasks().is_empty() {
        found.push(Violation {
            line: 1,
            kind: ViolationKind::NoTasks,
            excerpt: String::new(),
        });
    }
    for task in document.tasks().iter().filter(|task| task.text.is_empty()) {
        found.push(Violation {
            line: task.line,
            kind: ViolationKind::TaskWithoutText,
            excerpt: String::new(),
        });
    }
    found
}
