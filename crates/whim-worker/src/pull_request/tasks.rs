//! The table of tasks, with their commits and tests, as a part of the body.

use ralph_contract::{Review, SpecDocument};

use super::sanitize::{code, one_line};
use crate::concerns::is_test_path;
use crate::text::counted;
use crate::workspace::{Commit, Purpose};

const MAX_TASK_CHARACTERS: usize = 200;
const MAX_PATH_CHARACTERS: usize = 80;
/// Of one row.
const MAX_COMMITS: usize = 5;
const MAX_TESTS: usize = 3;
const HASH_CHARACTERS: usize = 10;

/// At most about `limit` characters. `review` is the last one, if there is one.
pub(super) fn table(
    spec: &SpecDocument,
    commits: &[Commit],
    review: Option<&Review>,
    limit: usize,
) -> String {
    let mut text = "| | Task | Commits | Tests |\n|---|---|---|---|".to_owned();
    let mut characters = 0;
    for (index, task) in spec.tasks().iter().enumerate() {
        let own = of(commits, |purpose| purpose == Purpose::Task(index + 1));
        let findings = review.map_or(0, |review| findings_of(review, index + 1));
        let mark = match (task.done, findings) {
            (false, _) => "open".to_owned(),
            (true, 0) => "done".to_owned(),
            (true, findings) => format!("done, {}", counted(findings, "finding")),
        };
        let task = cell(&one_line(&task.text, MAX_TASK_CHARACTERS));
        let row = row(&mark, &format!("{}. {task}", index + 1), &own);
        characters += row.chars().count() + 1;
        if characters > limit {
            let more = counted((spec.tasks().len() - index) as u64, "more task");
            return format!("{text}\n\n… and {more}");
        }
        text.push('\n');
        text.push_str(&row);
    }
    let count = spec.tasks().len();
    for (name, others) in [
        ("Repairs", of(commits, |purpose| purpose == Purpose::Repair)),
        (
            "Other commits",
            of(commits, |purpose| match purpose {
                Purpose::Task(number) => number == 0 || number > count,
                Purpose::Repair => false,
                Purpose::Other => true,
            }),
        ),
    ] {
        if !others.is_empty() {
            text.push('\n');
            text.push_str(&row("", name, &others));
        }
    }
    text
}

fn of(commits: &[Commit], is_wanted: impl Fn(Purpose) -> bool) -> Vec<&Commit> {
    commits
        .iter()
        .filter(|commit| is_wanted(commit.purpose))
        .collect()
}

fn findings_of(review: &Review, task: usize) -> u64 {
    let findings = review.findings.iter();
    let of_task = findings.filter(|finding| finding.task.is_some_and(|number| number as usize == task));
    of_task.count() as u64
}

/// GitHub links hashes.
fn row(mark: &str, task: &str, commits: &[&Commit]) -> String {
    let mut hashes: Vec<&str> = commits
        .iter()
        .take(MAX_COMMITS)
        .map(|commit| &commit.hash.as_str()[..HASH_CHARACTERS])
        .collect();
    if commits.len() > MAX_COMMITS {
        hashes.push("…");
    }
    let mut tests: Vec<&str> = Vec::new();
    for path in commits.iter().flat_map(|commit| &commit.files) {
        if is_test_path(path) && !tests.contains(&path.as_str()) {
            tests.push(path);
        }
    }
    let mut shown: Vec<String> = tests
        .iter()
        .take(MAX_TESTS)
        .map(|path| cell(&code(path, MAX_PATH_CHARACTERS)))
        .collect();
    if tests.len() > MAX_TESTS {
        shown.push(format!("and {} more", tests.len() - MAX_TESTS));
    }
    format!(
        "| {mark} | {task} | {} | {} |",
        hashes.join(" "),
        shown.join(", ")
    )
}

/// So that a text cannot leave its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use ralph_contract::{ReviewFinding, ReviewSeverity};
    use whim_core::CommitHash;

    use super::*;

    fn commit(digit: &str, purpose: Purpose, files: &[&str]) -> Commit {
        Commit {
            hash: CommitHash::parse(&digit.repeat(40)).unwrap(),
            purpose,
            is_signed_off: false,
            files: files.iter().map(|&file| file.to_owned()).collect(),
        }
    }

    #[test]
    fn each_task_has_its_commits_and_tests() {
        let spec = SpecDocument::parse("# T\n\n- [x] Add a | b\n- [x] Fixes #9\n- [ ] Later\n");
        let commits = [
            commit("1", Purpose::Task(1), &["src/a.rs", "tests/a.rs"]),
            commit("2", Purpose::Task(1), &["tests/a.rs", "tests/b|c.rs"]),
            commit("3", Purpose::Task(2), &["src/b.rs"]),
            commit("4", Purpose::Repair, &["src/a.rs"]),
            commit("5", Purpose::Task(7), &[]),
            commit("6", Purpose::Other, &[]),
        ];
        let review = Review {
            description: String::new(),
            summary: String::new(),
            findings: vec![ReviewFinding {
                severity: ReviewSeverity::Warning,
                task: Some(2),
                file: None,
                line: None,
                message: "Slow".to_owned(),
                suggestion: None,
            }],
        };
        let table = table(&spec, &commits, Some(&review), 5000);
        insta::assert_snapshot!(table.replace('\u{200b}', "¦"), @r"
        | | Task | Commits | Tests |
        |---|---|---|---|
        | done | 1. Add a \| b | 1111111111 2222222222 | `tests/a.rs`, `tests/b\|c.rs` |
        | done, 1 finding | 2. F¦ixes #¦9 | 3333333333 |  |
        | open | 3. Later |  |  |
        |  | Repairs | 4444444444 |  |
        |  | Other commits | 5555555555 6666666666 |  |
        ");
    }
}
