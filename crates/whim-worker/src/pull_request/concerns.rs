//! What people should check before they merge, as a part of the body.

use std::collections::BTreeSet;

use super::sanitize::{code, one_line};
use crate::concerns::{Concerns, MAX_NAMED};
use crate::text::counted;

const MAX_PATH_CHARACTERS: usize = 200;
/// Of weakenings that have no line of their own.
const MAX_OTHER_FILES: usize = 5;

/// `None` without concerns.
pub(super) fn section(concerns: &Concerns) -> Option<String> {
    let Concerns {
        protected,
        too_large,
        weakenings,
        is_unexamined,
        untested,
        unsigned,
        is_sign_off_unknown,
        is_draft,
    } = concerns;
    let mut items: Vec<String> = Vec::new();
    items.extend(
        too_large
            .as_ref()
            .map(|problem| format!("The change is large: {}.", one_line(problem, 200))),
    );
    if !protected.is_empty() {
        let paths = protected.iter().map(|path| code(path, MAX_PATH_CHARACTERS));
        items.push(format!(
            "Protected files are changed: {}.",
            named(paths, protected.len(), MAX_NAMED)
        ));
    }
    let shown = weakenings.iter().take(MAX_NAMED);
    items.extend(shown.map(|found| format!("{}: {}.", code(&found.path, MAX_PATH_CHARACTERS), found.what)));
    if weakenings.len() > MAX_NAMED {
        let rest = &weakenings[MAX_NAMED..];
        let files: BTreeSet<&str> = rest.iter().map(|found| found.path.as_str()).collect();
        let more = counted(rest.len() as u64, "more place");
        let paths = files.iter().map(|path| code(path, MAX_PATH_CHARACTERS));
        items.push(format!(
            "And {more}, in {}.",
            named(paths, files.len(), MAX_OTHER_FILES)
        ));
    }
    if *is_unexamined {
        items.push("The change is too large to be searched for weakened tests as a whole.".to_owned());
    }
    if !untested.is_empty() {
        let paths = untested.iter().map(|path| code(path, MAX_PATH_CHARACTERS));
        items.push(format!(
            "These tests pass without the rest of the change, so they do not test it: {}.",
            named(paths, untested.len(), MAX_NAMED)
        ));
    }
    if *unsigned > 0 {
        let commits = counted(*unsigned, "commit");
        items.push(format!(
            "The policy wants sign-offs, and {commits} have no `Signed-off-by`."
        ));
    }
    if *is_sign_off_unknown {
        items.push("The policy wants sign-offs, and the commits could not be read.".to_owned());
    }
    if items.is_empty() {
        return None;
    }
    let heading = if *is_draft {
        "[!WARNING]\n> A person has to check this before it is merged:"
    } else {
        "[!NOTE]\n> Check this before merging:"
    };
    let items: Vec<String> = items.iter().map(|item| format!("> - {item}")).collect();
    Some(format!("> {heading}\n>\n{}", items.join("\n")))
}

fn named(paths: impl Iterator<Item = String>, count: usize, limit: usize) -> String {
    let mut text = paths.take(limit).collect::<Vec<_>>().join(", ");
    if count > limit {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concerns::{Kind, Weakening};

    #[test]
    fn concerns_are_listed_whatever_files_are_called() {
        let concerns = Concerns {
            protected: vec!["infra/`x`\n- [ ] fixes #1.tf".to_owned()],
            too_large: Some("30 changed files, 20 are allowed".to_owned()),
            weakenings: vec![Weakening {
                path: "a.test.js".to_owned(),
                what: Kind::TestsRemoved(2),
            }],
            is_unexamined: true,
            untested: vec!["b.test.js".to_owned()],
            unsigned: 2,
            is_sign_off_unknown: true,
            is_draft: true,
        };
        insta::assert_snapshot!(section(&concerns).unwrap().replace('\u{200b}', "¦"), @r"
        > [!WARNING]
        > A person has to check this before it is merged:
        >
        > - The change is large: 30 changed files, 20 are allowed.
        > - Protected files are changed: `infra/'x' - [ ] f¦ixes #¦1.tf`.
        > - `a.test.js`: 2 tests were removed.
        > - The change is too large to be searched for weakened tests as a whole.
        > - These tests pass without the rest of the change, so they do not test it: `b.test.js`.
        > - The policy wants sign-offs, and 2 commits have no `Signed-off-by`.
        > - The policy wants sign-offs, and the commits could not be read.
        ");
        assert_eq!(section(&Concerns::default()), None);
    }

    #[test]
    fn files_of_further_weakenings_are_named() {
        let weakening = |number: usize| Weakening {
            path: format!("{number:02}.test.js"),
            what: Kind::Skipped(1),
        };
        let last_line = |count: usize| {
            let concerns = Concerns {
                // Two weakenings in each file.
                weakenings: (0..count).map(|index| weakening(index / 2)).collect(),
                ..Concerns::default()
            };
            let section = section(&concerns).unwrap();
            section.lines().last().unwrap().to_owned()
        };
        assert_eq!(
            last_line(MAX_NAMED),
            "> - `09.test.js`: 1 test was skipped or focused."
        );
        assert_eq!(
            last_line(MAX_NAMED + 3),
            "> - And 3 more places, in `10.test.js`, `11.test.js`."
        );
        assert_eq!(
            last_line(MAX_NAMED + 12),
            "> - And 12 more places, in `10.test.js`, `11.test.js`, `12.test.js`, `13.test.js`, `14.test.js`, …."
        );
    }
}
