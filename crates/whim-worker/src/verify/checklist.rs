//! The checklist of a repair: one task, with the failed commands and the end of their output.

use std::fmt::Write as _;

use ralph_contract::SpecDocument;

use crate::checks::FailedCheck;

/// Limit on the output of all failed checks.
const MAX_OUTPUT_CHARACTERS: usize = 12_000;

/// The agent gets it instead of the spec, which is complete.
pub(super) fn of_repair(spec: &SpecDocument, failed: &[FailedCheck]) -> SpecDocument {
    let title = spec.title().map_or_else(String::new, one_line);
    let mut text = format!(
        "# Repair the failed checks\n\n\
         ## Goal\n\
         The work on this branch{} is done and committed. These checks pass without it and fail with it. They run in a clean \
         checkout, without files that are not committed.\n\n\
         ## Tasks\n\
         - [ ] The failed checks pass\n",
        if title.is_empty() {
            title
        } else {
            format!(" ({title})")
        },
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

        let checklist = of_repair(&SpecDocument::parse("# Say hello\n\n- [x] a\n"), &failed);

        assert_eq!(checklist.tasks().len(), 1);
        assert_eq!(checklist.check_submittable(), Ok(()));
        insta::assert_snapshot!(checklist.as_str());
    }
}
