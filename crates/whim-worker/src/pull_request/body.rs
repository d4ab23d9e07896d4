//! The title and body of a pull request.

use std::fmt::Write as _;
use std::time::Duration;

use ralph_contract::{ReviewFinding, ReviewSeverity, SpecDocument};
use whim_core::BranchName;
use whim_core::protocol::checks::{BaseOutcome, CheckOutcome, CheckReport, TestReport};
use whim_core::protocol::worker::Assignment;

use super::sanitize::{code, one_line, paragraph, prose};
use super::tasks;
use crate::concerns::Concerns;
use crate::outcome::Totals;
use crate::review::ReviewOutcome;
use crate::text::counted;
use crate::workspace::Commit;

const MAX_TITLE_CHARACTERS: usize = 200;
const MAX_SUMMARY_CHARACTERS: usize = 2000;
const MAX_ISSUE_CHARACTERS: usize = 200;
const MAX_COMMAND_CHARACTERS: usize = 200;
const MAX_FINDING_CHARACTERS: usize = 500;
/// GitHub accepts 65,536 characters in a body; the rest is for the other parts.
const MAX_TASKS_CHARACTERS: usize = 20_000;
const MAX_REVIEW_CHARACTERS: usize = 12_000;
const MAX_CONFLICTS: usize = 10;

const BEGUN: &str = "> [!NOTE]\n> Opened after the first commit. Nothing has been checked yet; this is updated when the work has been.";

/// In the body of every pull request that Whim opened.
pub(super) const SIGNATURE: &str = "Opened by Whim after ";

/// The result of the attempt.
#[derive(Clone, Copy, Debug)]
pub struct PullRequestSummary<'s> {
    /// The final checklist.
    pub spec: &'s SpecDocument,
    /// `None` if no checks were found.
    pub tests: Option<&'s TestReport>,
    pub review: &'s ReviewOutcome,
    /// What this attempt used.
    pub totals: Totals,
    /// The agent's model, if one is configured.
    pub model: Option<&'s str>,
    pub state: WorkState,
    /// The commits that the base does not have.
    pub commits: &'s [Commit],
    /// Files that the branch and its base changed differently, so that it could not be brought up to date; git may name none.
    /// `None` without a conflict.
    pub conflicts: Option<&'s [String]>,
    pub concerns: &'s Concerns,
    /// The default branch, if the base is another one: merging into it closes no issue.
    pub other_default: Option<&'s BranchName>,
    /// Other issues that commit messages close.
    pub also_closed: &'s [String],
}

/// How far the work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkState {
    /// The first commit is pushed: it is a draft.
    Begun,
    /// Required checks fail because of the change: it is a draft.
    Red,
    Green,
}

/// The title of the checklist, else that of the issue, else the branch name.
pub fn title(assignment: &Assignment, result: &PullRequestSummary<'_>) -> String {
    let candidates = [result.spec.title(), assignment.metadata.issue_title.as_deref()];
    let title = candidates
        .into_iter()
        .flatten()
        .map(|title| one_line(title, MAX_TITLE_CHARACTERS))
        .find(|title| !title.is_empty());
    title.unwrap_or_else(|| assignment.branch.to_string())
}

/// Markdown. Untrusted text is sanitized, so that only the `Closes` line has an effect on GitHub.
pub fn body(assignment: &Assignment, result: &PullRequestSummary<'_>) -> String {
    let mut parts = Vec::new();
    match result.state {
        WorkState::Begun => parts.push(BEGUN.to_owned()),
        WorkState::Red => parts.push(caution(result.tests)),
        WorkState::Green => {}
    }
    let summary = match result.review {
        ReviewOutcome::Reviewed(review) => prose(&review.description, MAX_SUMMARY_CHARACTERS),
        ReviewOutcome::Failed(_) | ReviewOutcome::Off => {
            paragraph(&summary(result.spec), MAX_SUMMARY_CHARACTERS)
        }
    };
    if !summary.is_empty() {
        parts.push(summary);
    }
    let review = match result.review {
        ReviewOutcome::Reviewed(review) => Some(review),
        ReviewOutcome::Failed(_) | ReviewOutcome::Off => None,
    };
    let tasks = tasks::table(result.spec, result.commits, review, MAX_TASKS_CHARACTERS);
    parts.push(format!("## Tasks\n\n{tasks}"));
    if result.state != WorkState::Begun {
        parts.push(format!("## Checks\n\n{}", checks(result.tests)));
    }
    parts.extend(super::concerns::section(result.concerns));
    parts.extend(result.conflicts.map(conflicts));
    parts.extend(review_section(result.review));
    if !result.also_closed.is_empty() {
        let issues: Vec<String> = result
            .also_closed
            .iter()
            .map(|issue| code(issue, MAX_ISSUE_CHARACTERS))
            .collect();
        parts.push(format!(
            "> [!WARNING]\n> Commit messages of this branch also close {}, which this pull request is not about. Squash the \
             commits, or edit their messages, before merging.",
            issues.join(", ")
        ));
    }
    if let Some(number) = assignment.metadata.issue_number {
        parts.push(match result.other_default {
            _ if result.state != WorkState::Green => format!("For #{number}"),
            Some(default) => format!(
                "For #{number}. Merging does not close the issue, because the base is not the default branch {}.",
                code(default.as_str(), MAX_COMMAND_CHARACTERS)
            ),
            None => format!("Closes #{number}"),
        });
    }
    parts.push(footer(assignment, result));
    parts.join("\n\n")
}

fn caution(tests: Option<&TestReport>) -> String {
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

fn footer(assignment: &Assignment, result: &PullRequestSummary<'_>) -> String {
    let Totals { iterations, stats } = result.totals;
    let mut used = vec![counted(u64::from(iterations), "iteration")];
    let tokens = [
        stats.tokens_in,
        stats.tokens_out,
        stats.cache_read,
        stats.cache_write,
    ];
    let tokens = tokens.into_iter().fold(0, u64::saturating_add);
    if tokens > 0 {
        used.push(counted(tokens, "token"));
    }
    if stats.cost_usd > 0.0 {
        used.push(format!("${:.2}", stats.cost_usd));
    }
    let model = result.model.map_or_else(String::new, |model| {
        format!(" with {}", code(model, MAX_COMMAND_CHARACTERS))
    });
    format!(
        "---\n{SIGNATURE}{}{model} in attempt {} (work item `{}`).",
        used.join(", "),
        assignment.attempt,
        assignment.id
    )
}

/// The first prose below the title, or below the heading that follows it (`## Goal`).
fn summary(spec: &SpecDocument) -> String {
    let is_blank_or_heading = |line: &&str| line.trim().is_empty() || line.starts_with('#');
    let mut lines = spec
        .as_str()
        .lines()
        .skip_while(|line| !line.starts_with("# "))
        .skip(1)
        .skip_while(is_blank_or_heading);
    let is_prose = |line: &&str| {
        let line = line.trim_start();
        let begins_a_block = ["#", "- ", "* ", "+ ", "```", "~~~", "|", ">", "    "];
        let is_numbered = line.split_once(". ").is_some_and(|(number, _)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        !is_numbered && !begins_a_block.iter().any(|mark| line.starts_with(mark))
    };
    let prose: Vec<&str> = lines.by_ref().take_while(is_prose).collect();
    prose.join("\n").trim().to_owned()
}

fn checks(report: Option<&TestReport>) -> String {
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

fn conflicts(files: &[String]) -> String {
    if files.is_empty() {
        return "> [!WARNING]\n> The base has commits that this branch does not have, and they conflict, for example because a \
                directory was renamed. The checks ran without them."
            .to_owned();
    }
    let mut shown: Vec<String> = files
        .iter()
        .take(MAX_CONFLICTS)
        .map(|file| code(file, MAX_COMMAND_CHARACTERS))
        .collect();
    if files.len() > MAX_CONFLICTS {
        shown.push("…".to_owned());
    }
    format!(
        "> [!WARNING]\n> The base has commits that this branch does not have, and both changed {}. The checks ran without them.",
        shown.join(", ")
    )
}

/// `None` if reviews are switched off.
fn review_section(outcome: &ReviewOutcome) -> Option<String> {
    let review = match outcome {
        ReviewOutcome::Off => return None,
        ReviewOutcome::Failed(reason) => {
            let reason = one_line(reason, MAX_FINDING_CHARACTERS);
            return Some(format!(
                "## Review\n\n> [!WARNING]\n> The review by a model failed: {reason}"
            ));
        }
        ReviewOutcome::Reviewed(review) => review,
    };
    let mut text = format!("## Review\n\n{}", prose(&review.summary, MAX_SUMMARY_CHARACTERS));
    let mut characters = text.chars().count();
    for (index, finding) in review.findings.iter().enumerate() {
        text.push_str(if index == 0 { "\n\n" } else { "\n" });
        let item = item(finding);
        characters += item.chars().count() + 1;
        if characters > MAX_REVIEW_CHARACTERS {
            let more = counted((review.findings.len() - index) as u64, "more finding");
            write!(text, "\n… and {more}").ok();
            break;
        }
        text.push_str(&item);
    }
    Some(text)
}

/// A finding as an item of a list.
fn item(finding: &ReviewFinding) -> String {
    let severity = match finding.severity {
        ReviewSeverity::Error => "**error**",
        ReviewSeverity::Warning => "warning",
        ReviewSeverity::Note => "note",
    };
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!(" {}", code(&format!("{file}:{line}"), MAX_COMMAND_CHARACTERS)),
        (Some(file), None) => format!(" {}", code(file, MAX_COMMAND_CHARACTERS)),
        (None, _) => String::new(),
    };
    let task = finding
        .task
        .map_or_else(String::new, |task| format!(" (task {task})"));
    let message = one_line(&finding.message, MAX_FINDING_CHARACTERS);
    let proposal = finding
        .suggestion
        .as_ref()
        .map_or_else(String::new, |suggestion| {
            format!(" *Proposal:* {}", one_line(suggestion, MAX_FINDING_CHARACTERS))
        });
    format!("- {severity}{place}{task}: {message}{proposal}")
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
    use whim_core::protocol::work::WorkMetadata;
    use whim_core::{BranchName, LeaseEpoch, RepoName, WorkItemId};

    use ralph_contract::Review;

    use super::*;

    /// GitHub's limits on a pull request, in characters.
    const GITHUB_TITLE: usize = 256;
    const GITHUB_BODY: usize = 65_536;

    #[test]
    fn no_spec_makes_a_title_or_body_that_github_refuses() {
        let finding = ReviewFinding {
            severity: ReviewSeverity::Error,
            task: Some(1),
            file: Some("@".repeat(2_000)),
            line: Some(1),
            message: "<@#1".repeat(500),
            suggestion: Some("fixes #1 ".repeat(200)),
        };
        let review = Review {
            description: "@#1<b ".repeat(1_000),
            summary: "fixes #2 ".repeat(900),
            findings: vec![finding; 50],
        };
        for spec in [
            format!("# {}\n\n- [ ] a\n", "@".repeat(5_000)),
            format!("# T\n\n{}\n\n- [ ] a\n", "@#1<b fixes #2 ".repeat(9_000)),
            format!(
                "# T\n\n{}",
                format!("- [x] {}\n", "<@#1".repeat(300)).repeat(3_000)
            ),
        ] {
            let spec = SpecDocument::parse(spec);
            let assignment = Assignment {
                id: WorkItemId::new(),
                lease_epoch: LeaseEpoch::from_number(1),
                repo: RepoName::parse("a/b").unwrap(),
                branch: BranchName::parse("whim/1").unwrap(),
                spec: String::new(),
                head_sha: None,
                attempt: 1,
                requested_by: None,
                metadata: WorkMetadata::default(),
                learnings: String::new(),
            };
            let summary = PullRequestSummary {
                spec: &spec,
                tests: None,
                review: &ReviewOutcome::Reviewed(review.clone()),
                totals: Totals::default(),
                model: None,
                state: WorkState::Red,
                commits: &[],
                conflicts: None,
                concerns: &Concerns::default(),
                other_default: None,
                also_closed: &[],
            };
            assert!(title(&assignment, &summary).chars().count() <= GITHUB_TITLE);
            assert!(body(&assignment, &summary).chars().count() <= GITHUB_BODY);
        }
    }

    #[test]
    fn the_summary_is_the_first_prose_after_the_title() {
        for (spec, expected) in [
            ("# T\n\nIt greets.\n\n## Tasks\n- [ ] a", "It greets."),
            (
                "# T\n\n## Goal\nIt greets\npeople.\n\n## Tasks\n- [ ] a",
                "It greets\npeople.",
            ),
            ("# T\n\n## Tasks\n- [ ] a\n\nMore text.", ""),
            ("- [ ] a", ""),
        ] {
            assert_eq!(summary(&SpecDocument::parse(spec)), expected, "{spec}");
        }
    }

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
        insta::assert_snapshot!(checks(Some(&report)).replace('\u{200b}', "¦"), @r"
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
        assert!(checks(None).starts_with("No checks were found."));
    }
}
