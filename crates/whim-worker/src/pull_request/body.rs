//! The title and body of a pull request.

use ralph_contract::SpecDocument;
use whim_core::BranchName;
use whim_core::protocol::checks::TestReport;
use whim_core::protocol::notes::Note;
use whim_core::protocol::worker::Assignment;

use super::sanitize::{code, one_line, paragraph, prose};
use super::{checks, tasks};
use crate::concerns::Concerns;
use crate::outcome::Totals;
use crate::review::ReviewOutcome;
use crate::text::counted;
use crate::workspace::Commit;

const MAX_TITLE_CHARACTERS: usize = 200;
const MAX_SUMMARY_CHARACTERS: usize = 2000;
const MAX_ISSUE_CHARACTERS: usize = 200;
const MAX_COMMAND_CHARACTERS: usize = 200;
/// GitHub accepts 65,536 characters in a body; the rest is for the other parts.
const MAX_TASKS_CHARACTERS: usize = 20_000;
const MAX_CONFLICTS: usize = 10;
/// Notes that are named, and how much of each.
const MAX_NOTES: usize = 10;
const MAX_NOTE_CHARACTERS: usize = 300;

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
    /// Notes of the people who requested the work that no prompt of an agent has.
    pub unheeded_notes: &'s [Note],
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
        WorkState::Red => parts.push(checks::caution(result.tests)),
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
        parts.push(format!("## Checks\n\n{}", checks::table(result.tests)));
    }
    parts.extend(super::concerns::section(result.concerns));
    parts.extend(result.conflicts.map(conflicts));
    parts.extend(super::review::section(result.review));
    parts.extend(unheeded(result.unheeded_notes));
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

fn unheeded(notes: &[Note]) -> Option<String> {
    if notes.is_empty() {
        return None;
    }
    let named = notes.iter().take(MAX_NOTES).map(|note| {
        let author = note.author.as_ref().map_or_else(
            || "A person".to_owned(),
            |author| code(author.as_str(), MAX_COMMAND_CHARACTERS),
        );
        format!("> - {author}: {}", one_line(&note.text, MAX_NOTE_CHARACTERS))
    });
    let mut lines: Vec<String> = named.collect();
    if notes.len() > MAX_NOTES {
        lines.push(format!("> - And {} more.", notes.len() - MAX_NOTES));
    }
    Some(format!(
        "> [!WARNING]\n> No agent has acted on these notes: no iteration was left for them, or the agent failed. Consider them in your review, or \
         start another run with their words:\n>\n{}",
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use whim_core::protocol::work::WorkMetadata;
    use whim_core::{BranchName, LeaseEpoch, NoteId, RepoName, UserName, WorkItemId};

    use ralph_contract::{Review, ReviewFinding, ReviewSeverity};

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
        let note = Note {
            id: NoteId::new(),
            work_item_id: WorkItemId::new(),
            run: 1,
            text: "<@#1 fixes #1\n- [ ] ".repeat(200),
            author: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            delivered_at: None,
            attempt: None,
        };
        let notes = vec![note; 50];
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
                notes: Vec::new(),
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
                unheeded_notes: &notes,
            };
            assert!(title(&assignment, &summary).chars().count() <= GITHUB_TITLE);
            assert!(body(&assignment, &summary).chars().count() <= GITHUB_BODY);
        }
    }

    #[test]
    fn notes_that_no_agent_has_read_are_named_whatever_they_say() {
        let note = |author: &str, text: &str| Note {
            id: NoteId::new(),
            work_item_id: WorkItemId::new(),
            run: 1,
            text: text.to_owned(),
            author: UserName::parse(author).ok(),
            created_at: chrono::DateTime::UNIX_EPOCH,
            delivered_at: None,
            attempt: None,
        };
        let mut notes = vec![note("ana", "Use tabs.\n\n# Fixes #7 @everyone"), note("", "x")];
        insta::assert_snapshot!(unheeded(&notes).unwrap().replace('\u{200b}', "¦"), @r"
        > [!WARNING]
        > No agent has acted on these notes: no iteration was left for them, or the agent failed. Consider them in your review, or start another run with their words:
        >
        > - `ana`: Use tabs. # F¦ixes #¦7 @¦everyone
        > - A person: x
        ");
        notes.resize(12, note("bo", "y"));
        assert!(
            unheeded(&notes)
                .unwrap()
                .ends_with("> - `bo`: y\n> - And 2 more.")
        );
        assert_eq!(unheeded(&[]), None);
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
}
