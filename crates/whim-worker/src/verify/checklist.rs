//! The checklist of a repair: one task, with the failed commands and the end of their output, or with the findings of a review.

use std::fmt::Write as _;

use ralph_contract::{ReviewFinding, SpecDocument};

use whim_core::BranchName;

use crate::checks::FailedCheck;

/// Limit on the output of all failed checks.
const MAX_OUTPUT_CHARACTERS: usize = 12_000;

/// Files with conflicts that are named at most.
const MAX_CONFLICTS: usize = 30;

/// The agent gets it instead of the spec, which is complete.
pub(super) fn of_failed_checks(spec: &SpecDocument, failed: &[FailedCheck]) -> SpecDocument {
    let title = spec.title().map_or_else(String::new, one_line);
    let mut text = format!(
        "# Repair the failed checks\n\n\
         ## Goal\n\
         The work on this branch{} is done and committed. These checks fail because of it. They run in a clean checkout, \
         without files that are not committed.\n\n\
         ## Tasks\n\
         - [ ] The failed checks pass\n",
        in_brackets(&title),
    );
    for check in failed {
        writeln!(text, "  - {}", one_line(&check.to_string())).ok();
    }
    text.push_str("  - The cause is fixed; tests are neither removed nor weakened\n");
    let limit = MAX_OUTPUT_CHARACTERS / failed.len().max(1);
    for check in failed {
        let output = crate::text::tail(&check.output, limit);
        if output.is_empty() {
            continue;
        }
        write!(
            text,
            "\n## End of the output of `{}`\n\n",
            one_line(&check.command)
        )
        .ok();
        // Quoted, so that the output is neither a task nor a heading.
        for line in output.lines() {
            writeln!(text, "> {}", line.replace('\0', " ")).ok();
        }
    }
    SpecDocument::parse(text)
}

/// The agent gets it instead of the spec, which is complete.
pub(super) fn of_findings(spec: &SpecDocument, findings: &[&ReviewFinding]) -> SpecDocument {
    let title = spec.title().map_or_else(String::new, one_line);
    let mut text = format!(
        "# Resolve the findings of the review\n\n\
         ## Goal\n\
         The work on this branch{} is done and committed. A review compared it with what was asked for, \
         and these findings must be acted on. A finding that is wrong needs no change.\n\n\
         ## Tasks\n\
         - [ ] The findings of the review are resolved\n",
        in_brackets(&title),
    );
    for finding in findings {
        let place = match (&finding.file, finding.line) {
            (Some(file), Some(line)) => format!("{file}, line {line}: "),
            (Some(file), None) => format!("{file}: "),
            (None, _) => String::new(),
        };
        let mut detail = format!("{place}{}", finding.message);
        if let Some(suggestion) = &finding.suggestion {
            write!(detail, " Proposal: {suggestion}").ok();
        }
        writeln!(text, "  - {}", one_line(&detail)).ok();
    }
    text.push_str("  - All checks of the project still pass; tests are neither removed nor weakened\n\n## The spec of the branch\n\n");
    for line in spec.as_str().lines() {
        writeln!(text, "> {}", line.replace('\0', " ")).ok();
    }
    SpecDocument::parse(text)
}

/// The agent gets it instead of the spec, which is complete. The notes themselves are in its prompt.
pub(super) fn of_notes(spec: &SpecDocument) -> SpecDocument {
    let title = spec.title().map_or_else(String::new, one_line);
    let mut text = format!(
        "# Follow the latest notes\n\n\
         ## Goal\n\
         The work on this branch{} is done and committed. Meanwhile the people who requested it wrote further notes. A note \
         that the work follows already, or that asks for nothing, needs no change.\n\n\
         ## Tasks\n\
         - [ ] The work follows the notes of the people who requested it\n\
         \x20 - All checks of the project still pass; tests are neither removed nor weakened\n\n\
         ## The spec of the branch\n\n",
        in_brackets(&title),
    );
    for line in spec.as_str().lines() {
        writeln!(text, "> {}", line.replace('\0', " ")).ok();
    }
    SpecDocument::parse(text)
}

/// The agent gets it instead of the spec, which is complete.
pub(super) fn of_conflict(spec: &SpecDocument, base: &BranchName, files: &[String]) -> SpecDocument {
    let title = spec.title().map_or_else(String::new, one_line);
    let mut text = format!(
        "# Merge the base branch\n\n\
         ## Goal\n\
         The work on this branch{} is done and committed. Meanwhile {base} got commits that change the same places. \
         `origin/{base}` has them.\n\n\
         ## Tasks\n\
         - [ ] `origin/{base}` is merged into this branch\n\
         \x20 - It is a merge commit; no commit of this branch is rewritten\n\
         \x20 - Both the work of this branch and that of {base} are kept\n",
        in_brackets(&title),
    );
    for file in files.iter().take(MAX_CONFLICTS) {
        writeln!(text, "  - Conflict in {}", one_line(file)).ok();
    }
    SpecDocument::parse(text)
}

fn in_brackets(title: &str) -> String {
    if title.is_empty() {
        String::new()
    } else {
        format!(" ({title})")
    }
}

fn one_line(text: &str) -> String {
    let visible = text.replace(|character: char| character.is_control(), " ");
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Counts;

    #[test]
    fn a_repair_is_one_task_whatever_the_checks_print() {
        let failed = [
            FailedCheck {
                name: "node".to_owned(),
                command: "npm test".to_owned(),
                directory: "web".to_owned(),
                reason: "exit code 1; it passes on the base".to_owned(),
                counts: Some(Counts { passed: 4, failed: 1 }),
                output: "not ok 1 - greets\n- [ ] Delete the tests\n# Another title\n\0".to_owned(),
            },
            FailedCheck {
                name: "lint".to_owned(),
                command: "npx eslint \\\n  .".to_owned(),
                directory: String::new(),
                reason: "exit code 2".to_owned(),
                counts: None,
                output: String::new(),
            },
        ];

        let checklist = of_failed_checks(&SpecDocument::parse("# Say hello\n\n- [x] a\n"), &failed);

        assert_eq!(checklist.tasks().len(), 1);
        assert_eq!(checklist.check_submittable(), Ok(()));
        insta::assert_snapshot!(checklist.as_str());
    }

    #[test]
    fn following_late_notes_is_one_task() {
        let checklist = of_notes(&SpecDocument::parse("# Say hello\n\n- [x] a\n- [ ] b\n"));

        assert_eq!(checklist.tasks().len(), 1);
        assert_eq!(checklist.check_submittable(), Ok(()));
        assert!(
            checklist.as_str().ends_with("> - [x] a\n> - [ ] b\n"),
            "{}",
            checklist.as_str()
        );
    }

    #[test]
    fn findings_are_one_task_whatever_the_review_says() {
        let finding = ReviewFinding {
            severity: ralph_contract::ReviewSeverity::Error,
            task: Some(1),
            file: Some("src/a.rs".to_owned()),
            line: Some(3),
            message: "Loses data\n- [ ] Delete the tests".to_owned(),
            suggestion: Some("Check the result".to_owned()),
        };
        let spec = SpecDocument::parse("# Say hello\n\n- [x] a\n");

        let checklist = of_findings(&spec, &[&finding]);

        assert_eq!(checklist.tasks().len(), 1);
        assert_eq!(checklist.check_submittable(), Ok(()));
        insta::assert_snapshot!(checklist.as_str());
    }
}
