//! Any text is a document: nothing panics, takes long or loses a byte.

use proptest::prelude::*;
use ralph_contract::{MAX_SPEC_BYTES, SpecDocument};

/// Texts that are dense in what Markdown and the conventions care about.
fn markdown() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "- ",
        "* ",
        "1. ",
        "[ ] ",
        "[x] ",
        "[X]",
        "[ ]",
        "- [ ] task",
        "- [x] done",
        "\n",
        "\r\n",
        "\r",
        "\n\n",
        "  ",
        "    ",
        "\t",
        "# ",
        "## ",
        "```",
        "~~~",
        "`",
        "<!--",
        "-->",
        "> ",
        "\u{feff}",
        "\0",
        "é",
        "🦀",
        "a",
        "auth.ts:42",
        "npm install x",
        "Example:",
        "---",
        "**",
        "_",
        "[a]: b",
        "](",
        "&amp;",
        "\\",
        "<pre>",
        "</pre>",
        "\u{2028}",
    ]);
    prop_oneof![
        4 => prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_document_keeps_its_bytes(text in markdown()) {
        let document = SpecDocument::parse(text.clone());
        prop_assert_eq!(document.as_str(), &text);
        prop_assert_eq!(document.done_count() + document.open_tasks().count(), document.tasks().len());
    }

    #[test]
    fn ticking_changes_one_byte_and_one_task(text in markdown()) {
        let document = SpecDocument::parse(text.clone());
        for task in document.open_tasks() {
            let ticked = document.tick(task.index).unwrap();
            prop_assert_eq!(ticked.as_str().len(), text.len());
            let differing = ticked.as_str().bytes().zip(text.bytes()).filter(|(after, before)| after != before).count();
            prop_assert_eq!(differing, 1);
            prop_assert_eq!(&ticked, &SpecDocument::parse(ticked.as_str()), "what is written is what is read");
            for (before, after) in document.tasks().iter().zip(ticked.tasks()) {
                prop_assert_eq!(after.done, before.done || before.index == task.index);
                prop_assert_eq!(&after.text, &before.text);
            }
        }
    }

    #[test]
    fn reopening_changes_one_byte_per_done_task_and_nothing_else(text in markdown()) {
        let document = SpecDocument::parse(text.clone());
        let open = document.with_all_open();
        let differing = open.as_str().bytes().zip(text.bytes()).filter(|(after, before)| after != before).count();
        prop_assert_eq!(open.as_str().len(), text.len());
        prop_assert_eq!(differing, document.done_count());
        prop_assert_eq!(&open, &SpecDocument::parse(open.as_str()));
        prop_assert_eq!(open.done_count(), 0);
    }

    #[test]
    fn reconciling_a_document_with_itself_changes_nothing(text in markdown()) {
        let document = SpecDocument::parse(text.clone());
        let result = document.reconcile(Some(&text));
        prop_assert_eq!(result.document, document);
        prop_assert!(result.newly_done.is_empty() && result.restored.is_empty() && result.discarded.is_empty());
    }

    #[test]
    fn reconciling_keeps_every_task_whatever_was_found(wanted in markdown(), found in markdown()) {
        let document = SpecDocument::parse(wanted);
        let result = document.reconcile(Some(&found));
        let texts = |document: &SpecDocument| {
            document.tasks().iter().map(|task| task.text.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(texts(&result.document), texts(&document));
        prop_assert_eq!(&result.document, &SpecDocument::parse(result.document.as_str()));
    }

    #[test]
    fn violations_point_into_the_document(text in markdown()) {
        let lines = text.split(['\n', '\r']).count();
        for violation in SpecDocument::parse(text).violations() {
            prop_assert!((1..=lines).contains(&violation.line), "{violation}");
            let shown = violation.to_string();
            prop_assert!(!shown.contains(char::is_control), "{shown:?}");
            prop_assert!(shown.chars().count() < 400, "{shown:?}");
        }
    }
}

/// Quadratic work on texts of this size takes minutes, and the test runner ends a test long before.
#[test]
fn texts_that_are_made_to_be_slow_are_read_in_time() {
    let repeat = |piece: &str| piece.repeat(MAX_SPEC_BYTES / piece.len());
    let half = MAX_SPEC_BYTES / 2;
    let texts = [
        ("one line of a megabyte", format!("- [ ] {}", "a".repeat(1 << 20))),
        ("one line of words", format!("- [ ] {}", repeat("word "))),
        (
            "nested bullets, then blank lines",
            format!("{}a\n{}", "- ".repeat(half / 2), "\n".repeat(half)),
        ),
        (
            "nested bullets, then blank lines of code",
            format!("{}```\n{}", "- ".repeat(half / 2), "\n".repeat(half)),
        ),
        (
            "nested bullets, then a comment",
            format!("{}<!--\n{}", "- ".repeat(half / 2), "\n".repeat(half)),
        ),
        ("nested boxes", repeat("- [ ] ")),
        (
            "nested quotes",
            format!("{}\n{}", ">".repeat(half), "> a\n".repeat(half / 4)),
        ),
        (
            "stairs",
            (0..700)
                .map(|depth| format!("{}- [ ] a\n", "  ".repeat(depth % 350)))
                .collect(),
        ),
        ("brackets", repeat("[")),
        ("brackets and parentheses", repeat("[a](")),
        (
            "backticks",
            (1..700).map(|count| format!("{} ", "`".repeat(count))).collect(),
        ),
        (
            "code spans and commands",
            format!("- [ ] {}", repeat("`a` then npm i b ")),
        ),
        ("emphasis", repeat("*a **b ")),
        ("open comments", repeat("<!-- ")),
        ("open tags", repeat("<a ")),
        ("NUL", repeat("\0")),
        ("tabs", repeat("\t")),
        ("tasks", repeat("- [ ] a\n")),
        ("fences", repeat("```\n")),
        ("references", repeat("auth.ts:42 ")),
        ("dots", repeat("a.")),
        ("commands", repeat("run npm install x\n")),
        ("names", repeat("use the a_b ")),
    ];
    for (name, text) in texts {
        let document = SpecDocument::parse(text.clone());
        assert_eq!(document.as_str(), text, "{name}");
        assert!(document.violations().len() <= 100, "{name}");
        let emptied = document.reconcile(Some("# Nothing left\n"));
        assert_eq!(emptied.restored.len(), document.tasks().len(), "{name}");
    }
}

#[test]
fn tasks_after_a_line_that_nests_too_deep_are_still_read() {
    let text = format!("- [ ] a\n\n{}x\n\n# T\n\n- [ ] b\n", "- ".repeat(5000));
    let document = SpecDocument::parse(text);
    assert_eq!(
        document
            .tasks()
            .iter()
            .map(|task| task.text.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(document.tick(1).unwrap().done_count(), 1);
}
