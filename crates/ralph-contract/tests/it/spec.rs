//! What is read from a SPEC.md.

use insta::assert_debug_snapshot;
use ralph_contract::SpecDocument;

/// Text and box of each task.
fn tasks(text: &str) -> Vec<(String, bool)> {
    SpecDocument::parse(text)
        .tasks()
        .iter()
        .map(|task| (task.text.clone(), task.done))
        .collect()
}

fn texts(text: &str) -> Vec<String> {
    tasks(text).into_iter().map(|(text, _)| text).collect()
}

#[test]
fn tasks_have_their_details_phase_and_line() {
    let document = SpecDocument::parse(
        "# Add *user* `auth`\n\nIntro - [ ] not a box\n\n## Phase 1: Model\n\n- [x] Create User model\n  - Email and\n    password\n  - Hashing\n    - Bcrypt\n\n  Unique email.\n- [ ] Add *login*\n  with `JWT`\n\n### Phase 2: **Middle**ware ###\n1. [X] Validate\n   * [ ] expired tokens\n   * [x] forged tokens\n",
    );
    assert_eq!(document.title(), Some("Add user auth"));
    assert_debug_snapshot!(document.tasks(), @r#"
    [
        Task {
            index: 0,
            text: "Create User model",
            details: [
                "Email and password",
                "Hashing",
                "Bcrypt",
                "Unique email.",
            ],
            phase: Some(
                "Phase 1: Model",
            ),
            done: true,
            line: 7,
        },
        Task {
            index: 1,
            text: "Add *login* with `JWT`",
            details: [],
            phase: Some(
                "Phase 1: Model",
            ),
            done: false,
            line: 14,
        },
        Task {
            index: 2,
            text: "Validate",
            details: [
                "expired tokens",
                "forged tokens",
            ],
            phase: Some(
                "Phase 2: Middleware",
            ),
            done: true,
            line: 18,
        },
    ]
    "#);
}

#[test]
fn counts_follow_the_boxes() {
    let document = SpecDocument::parse("- [x] a\n- [ ] b\n- [ ] c\n");
    assert_eq!(document.done_count(), 1);
    assert_eq!(
        document.open_tasks().map(|task| task.index).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(document.first_open().map(|task| task.text.as_str()), Some("b"));
    assert!(!document.is_complete());
    assert!(SpecDocument::parse("- [x] a\n- [X] b\n").is_complete());
    assert!(!SpecDocument::parse("# No tasks\n").is_complete());
}

#[test]
fn every_kind_of_line_ending_is_read() {
    for text in [
        "# T\n\n- [ ] a\n- [x] b\n",
        "# T\r\n\r\n- [ ] a\r\n- [x] b\r\n",
        "# T\r\r- [ ] a\r- [x] b",
    ] {
        let document = SpecDocument::parse(text);
        assert_eq!(document.title(), Some("T"), "{text:?}");
        assert_eq!(
            tasks(text),
            [("a".to_owned(), false), ("b".to_owned(), true)],
            "{text:?}"
        );
        assert_eq!(
            document.tasks().iter().map(|task| task.line).collect::<Vec<_>>(),
            [3, 4],
            "{text:?}"
        );
        assert_eq!(document.as_str(), text);
    }
}

#[test]
fn a_byte_order_mark_and_a_missing_last_newline_are_no_obstacle() {
    let document = SpecDocument::parse("\u{feff}# T\n- [ ] last");
    assert_eq!(document.title(), Some("T"));
    assert_eq!(document.tasks().len(), 1);
    assert_eq!(texts("\u{feff}- [ ] only"), ["only"]);
    assert_eq!(texts("- [ ] one\n- [ ]"), ["one", ""]);
    assert_eq!(texts("- [ ]"), [""]);
}

#[test]
fn every_bullet_and_numbering_makes_a_task() {
    assert_eq!(
        texts("- [ ] a\n\n* [ ] b\n\n+ [ ] c\n\n1. [ ] d\n\n2) [ ] e\n\n-\t[ ]\tf\n\n   - [ ] g\n"),
        ["a", "b", "c", "d", "e", "f", "g"]
    );
}

#[test]
fn a_box_below_a_plain_bullet_is_a_task_and_one_below_a_task_is_a_detail() {
    let document = SpecDocument::parse(
        "- Backend\n  - [ ] API\n    - plain\n      - [ ] deep\n  - [ ] Store\n- [ ] Front\n  - [x] page\n- [ ] Last\n",
    );
    let tasks: Vec<_> = document
        .tasks()
        .iter()
        .map(|task| (task.text.as_str(), task.details.clone()))
        .collect();
    assert_eq!(
        tasks,
        [
            ("API", vec!["plain".to_owned(), "deep".to_owned()]),
            ("Store", vec![]),
            ("Front", vec!["page".to_owned()]),
            ("Last", vec![]),
        ]
    );
}

#[test]
fn boxes_in_code_comments_and_quotes_are_no_tasks() {
    for text in [
        "```\n- [ ] fenced\n```\n",
        "~~~markdown\n- [ ] fenced\n- [ ] never closed\n",
        "para\n\n    - [ ] indented\n",
        "<!--\n- [ ] comment\n-->\n",
        "<!-- one\n\n- [ ] comment after a blank line\n\n-->\n",
        "> - [ ] quoted\n> - [ ] quoted\n",
        "`- [ ] inline`\n",
        "\\- [ ] escaped\n",
        "-[ ] no space\n- [] empty\n- [y] other\n- [ ]no space\n- ( ) round\n",
        "text [ ] in the middle\n",
    ] {
        assert_eq!(texts(text), [] as [&str; 0], "{text:?}");
    }
    let around =
        "- [ ] a\n\n  ```md\n  - [ ] no\n  ```\n\n  > - [ ] no\n\n- [ ] b\n\n<!-- - [ ] no -->\n\n- [ ] c\n";
    assert_eq!(texts(around), ["a", "b", "c"]);
}

#[test]
fn a_phase_is_the_nearest_heading_below_level_one() {
    let document = SpecDocument::parse(
        "- [ ] a\n\nPhase one\n---\n- [ ] b\n#### Deep\n- [ ] c\n# Again\n- [ ] d\n##\n- [ ] e\n> ## quoted\n\n- [ ] f\n",
    );
    let phases: Vec<_> = document
        .tasks()
        .iter()
        .map(|task| task.phase.as_deref())
        .collect();
    assert_eq!(phases, [None, Some("Phase one"), Some("Deep"), None, None, None]);
    assert_eq!(document.title(), Some("Again"));
}

#[test]
fn the_title_is_the_first_heading_of_level_one_that_says_something() {
    assert_eq!(
        SpecDocument::parse("## No\n\n#\n\nYes\n===\n\n# Later\n").title(),
        Some("Yes")
    );
    assert_eq!(SpecDocument::parse("```\n# no\n```\n").title(), None);
    assert_eq!(SpecDocument::parse("#no\n\n> # quoted\n").title(), None);
}
