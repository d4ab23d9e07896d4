//! The length of files.

use super::finding::{Finding, Rule};
use crate::workspace::SourceFile;

const AIM: usize = 400;

const LIMIT: usize = 600;

/// `main.rs` only starts the program.
const MAIN_LIMIT: usize = 30;

/// Extensions of written files; snapshots and data are generated.
const WRITTEN_BY_PEOPLE: [&str; 7] = ["rs", "sh", "sql", "lua", "ts", "tsx", "css"];

pub(crate) fn findings(sources: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in written_by_people(sources) {
        let lines = file.text.lines().count();
        if lines > LIMIT {
            let what = format!("{lines} lines: split it by task; the limit is {LIMIT}, the aim {AIM}");
            findings.push(Finding::new(&file.path, LIMIT + 1, Rule::FileLength, what));
        }
        let is_main = file.path.ends_with("src/main.rs") || file.path.contains("/src/bin/");
        if is_main && file.path.ends_with(".rs") && lines > MAIN_LIMIT {
            let what =
                format!("{lines} lines: move all but the start into the library; the limit is {MAIN_LIMIT}");
            findings.push(Finding::new(
                &file.path,
                MAIN_LIMIT + 1,
                Rule::ProgramLength,
                what,
            ));
        }
    }
    findings
}

/// Files between the aim and the limit.
pub(crate) fn notes(sources: &[SourceFile]) -> Vec<String> {
    let lengths = written_by_people(sources).map(|file| (file, file.text.lines().count()));
    let long = lengths.filter(|(_, lines)| (AIM + 1..=LIMIT).contains(lines));
    long.map(|(file, lines)| format!("{}: {lines} lines; the aim is {AIM}", file.path))
        .collect()
}

fn written_by_people(sources: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    sources.iter().filter(|file| {
        let extension = file.path.rsplit_once('.').map(|(_, extension)| extension);
        extension.is_some_and(|extension| WRITTEN_BY_PEOPLE.contains(&extension))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: "line\n".repeat(lines),
        }
    }

    #[test]
    fn more_than_the_limit_fails_and_more_than_the_aim_is_noted() {
        let sources = [
            file("a.rs", 400),
            file("b.rs", 401),
            file("c.rs", 600),
            file("d.sh", 601),
            file("e.snap", 9000),
        ];

        let failed: Vec<String> = findings(&sources)
            .into_iter()
            .map(|finding| finding.path)
            .collect();
        assert_eq!(failed, ["d.sh"]);
        let noted = [
            "b.rs: 401 lines; the aim is 400",
            "c.rs: 600 lines; the aim is 400",
        ];
        assert_eq!(notes(&sources), noted);
    }

    #[test]
    fn a_main_above_its_limit_fails() {
        let sources = [
            file("crates/a/src/main.rs", 30),
            file("crates/b/src/main.rs", 31),
            file("tests/it/main.rs", 31),
        ];
        let found: Vec<String> = findings(&sources).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "crates/b/src/main.rs:31: main.rs length: 31 lines: move all but the start into the library; the limit is 30"
            ]
        );
    }
}
