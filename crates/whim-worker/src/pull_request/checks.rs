//! The results of the checks, as parts of the body.

use std::fmt::Write as _;
use std::time::Duration;

use whim_core::protocol::checks::{BaseOutcome, CheckOutcome, CheckReport, TestReport};

use super::sanitize::{code, one_line};

const MAX_COMMAND_CHARACTERS: usize = 200;

/// Of work with failed checks.
pub(super) fn caution(tests: Option<&TestReport>) -> String {
    let failed = tests.iter().flat_map(|report| &report.checks);
    let names: Vec<String> = failed
        .filter(|check| check.required && check.outcome == CheckOutcome::Failed)
        .map(|check| code(&check.name, MAX_COMMAND_CHARACTERS))
        .collect();
    format!(
        "> [!CAUTION]\n> Required checks fail because of this change: {}.",
        names.join(", ")
    )
}

/// One row per check, and below it why checks did not pass. `None`: no checks were found.
pub(super) fn table(report: Option<&TestReport>) -> String {
    let Some(report) = report else {
        return "No checks were found. Nothing was run on this change.".to_owned();
    };
    let mut lines = vec![
        "| Check | Command | Result | Tests | Time | On the base |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(report.checks.iter().map(row));
    let mut text = lines.join("\n");
    for check in &report.checks {
        if let Some(reason) = &check.reason {
            let reason = one_line(reason, MAX_COMMAND_CHARACTERS);
            let name = code(&check.name, MAX_COMMAND_CHARACTERS);
            write!(text, "\n\n{name}: {reason}").ok();
        }
    }
    text
}

fn row(check: &CheckReport) -> String {
    let outcome = match check.outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Failed => "**failed**",
        CheckOutcome::FailedOnBase => "**failed**, on the base as well",
        CheckOutcome::CouldNotRun => "**could not run**",
    };
    let optional = if check.required { "" } else { " (optional)" };
    let tests = match (check.tests_passed, check.tests_failed) {
        (Some(passed), Some(failed)) => format!("{passed} passed, {failed} failed"),
        (Some(passed), None) => format!("{passed} passed"),
        (None, _) => String::new(),
    };
    let base = match check.base_outcome {
        None => "",
        Some(BaseOutcome::Passed) => "passed",
        Some(BaseOutcome::Failed) => "failed",
        Some(BaseOutcome::CouldNotRun) => "could not run",
    };
    let seconds = Duration::from_millis(check.duration_ms).as_secs_f64();
    let cell = |text: &str| code(text, MAX_COMMAND_CHARACTERS).replace('|', "\\|");
    format!(
        "| {} | {} | {outcome}{optional} | {tests} | {seconds:.1} s | {base} |",
        cell(&check.name),
        cell(&check.command)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_a_table_whose_cells_commands_cannot_leave() {
        let check = |name: &str, command: &str, outcome| CheckReport {
            name: name.to_owned(),
            command: command.to_owned(),
            outcome,
            required: true,
            tests_passed: None,
            tests_failed: None,
            duration_ms: 1240,
            base_outcome: None,
            reason: None,
        };
        let report = TestReport {
            checks: vec![
                CheckReport {
                    tests_passed: Some(12),
                    tests_failed: Some(0),
                    ..check("node", "npm test", CheckOutcome::Passed)
                },
                CheckReport {
                    required: false,
                    base_outcome: Some(BaseOutcome::Failed),
                    reason: Some("exit code 1; it fails on the base as well; fixes #9".to_owned()),
                    ..check("lint", "npx eslint . | tee `x`", CheckOutcome::FailedOnBase)
                },
                CheckReport {
                    reason: Some("`go` is not installed where the worker runs".to_owned()),
                    ..check("go", "go test ./...", CheckOutcome::CouldNotRun)
                },
            ],
            ..TestReport::default()
        };
        insta::assert_snapshot!(table(Some(&report)).replace('\u{200b}', "¦"), @r"
        | Check | Command | Result | Tests | Time | On the base |
        |---|---|---|---|---|---|
        | `node` | `npm test` | passed | 12 passed, 0 failed | 1.2 s |  |
        | `lint` | `npx eslint . \| tee 'x'` | **failed**, on the base as well (optional) |  | 1.2 s | failed |
        | `go` | `go test ./...` | **could not run** |  | 1.2 s |  |

        `lint`: exit code 1; it fails on the base as well; f¦ixes #¦9

        `go`: `go` is not installed where the worker runs
        ");
    }

    #[test]
    fn a_project_without_checks_says_so() {
        assert!(table(None).starts_with("No checks were found."));
    }
}
