//! The requirements for a submission.

use ralph_contract::{MAX_SPEC_BYTES, MAX_TASKS, NotSubmittable, SpecDocument, TEMPLATE, ViolationKind};

fn check(text: impl Into<String>) -> Result<(), NotSubmittable> {
    SpecDocument::parse(text).check_submittable()
}

#[test]
fn a_spec_with_an_open_task_can_be_submitted() {
    assert_eq!(check("- [x] one\n- [ ] two"), Ok(()));
    // Broken conventions are no obstacle.
    assert_eq!(check("- [ ] run `npm install zod` and edit auth.ts:42"), Ok(()));
}

#[test]
fn a_spec_without_an_open_task_is_refused() {
    assert_eq!(check(""), Err(NotSubmittable::NoTasks));
    assert_eq!(check("# Title\n\n- a bullet"), Err(NotSubmittable::NoTasks));
    assert_eq!(check("- [x] one\n- [X] two"), Err(NotSubmittable::NothingOpen));
}

#[test]
fn size_and_number_of_tasks_are_limited() {
    let task = "- [ ] one\n";
    assert_eq!(check(task.repeat(MAX_TASKS)), Ok(()));
    assert_eq!(
        check(task.repeat(MAX_TASKS + 1)),
        Err(NotSubmittable::TooManyTasks { tasks: MAX_TASKS + 1 })
    );
    let padding = MAX_SPEC_BYTES - task.len();
    assert_eq!(check(format!("{task}{}", "a".repeat(padding))), Ok(()));
    let too_large = format!("{task}{}", "a".repeat(padding + 1));
    assert_eq!(
        check(too_large),
        Err(NotSubmittable::TooLarge {
            bytes: MAX_SPEC_BYTES + 1
        })
    );
}

#[test]
fn a_nul_character_is_refused_because_a_database_cannot_store_it() {
    assert_eq!(
        check("- [ ] a\0b"),
        Err(NotSubmittable::NulCharacter { offset: 7 })
    );
}

#[test]
fn the_template_is_refused_until_every_placeholder_is_replaced() {
    assert!(matches!(
        check(TEMPLATE),
        Err(NotSubmittable::Placeholder { line: 1 })
    ));
    let reworded = |text: &str| {
        text.replace(" task", " requirement")
            .replace("Goal: ", "")
            .replace("Title: ", "")
    };
    assert_eq!(check(reworded(TEMPLATE)), Ok(()));

    let document = SpecDocument::parse(TEMPLATE);
    let placeholders = document.violations();
    assert!(
        placeholders
            .iter()
            .all(|violation| violation.kind == ViolationKind::Placeholder)
    );
    // Title, goal, two tasks and three deliverables.
    assert_eq!(placeholders.len(), 7);
    for violation in placeholders {
        let mut lines: Vec<String> = reworded(TEMPLATE).lines().map(str::to_owned).collect();
        lines[violation.line - 1] = TEMPLATE.lines().nth(violation.line - 1).unwrap().to_owned();
        let expected = Err(NotSubmittable::Placeholder { line: violation.line });
        assert_eq!(check(lines.join("\n")), expected, "one placeholder is left");
    }
}

#[test]
fn a_text_that_only_resembles_a_placeholder_is_accepted() {
    assert_eq!(
        check("# First task\n\n- [ ] First task: add the {{title}} placeholder\n"),
        Ok(())
    );
}
