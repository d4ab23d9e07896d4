//! Ticking and reopening boxes.

use ralph_contract::{SpecDocument, TickError};

#[test]
fn ticking_changes_the_byte_between_the_brackets_and_no_other() {
    for (before, after) in [
        ("- [ ] one\n- [ ] two\n", "- [ ] one\n- [x] two\n"),
        ("- [X] one\r\n- [ ] two", "- [X] one\r\n- [x] two"),
        (
            "\u{feff}# T\n\n* [x] [ ] one\n+ [ ] two",
            "\u{feff}# T\n\n* [x] [ ] one\n+ [x] two",
        ),
        ("1. [x] one\n2.   [ ]\ttwo\t\n", "1. [x] one\n2.   [x]\ttwo\t\n"),
        ("-\t[ ] é\n-\t[\t] ü", "-\t[ ] é\n-\t[x] ü"),
        (
            "- [ ] `- [ ]`\n\n   - [ ] detail\n\n- [ ]\n",
            "- [ ] `- [ ]`\n\n   - [ ] detail\n\n- [x]\n",
        ),
    ] {
        let ticked = SpecDocument::parse(before).tick(1).unwrap();
        assert_eq!(ticked.as_str(), after);
        assert_eq!(ticked, SpecDocument::parse(after));
    }
}

#[test]
fn ticking_a_missing_or_done_task_is_an_error() {
    let document = SpecDocument::parse("- [x] one\n");
    assert_eq!(document.tick(0), Err(TickError::AlreadyDone { index: 0 }));
    assert_eq!(
        document.tick(1),
        Err(TickError::NoSuchTask { index: 1, tasks: 1 })
    );
}

#[test]
fn reopening_changes_only_the_boxes_of_tasks() {
    for (before, after) in [
        // The text of a task may contain a box, before a lower or an upper case one.
        ("- [x] accept [x] in lists\n", "- [ ] accept [x] in lists\n"),
        ("- [X] accept [x] in lists\n", "- [ ] accept [x] in lists\n"),
        ("- [x] accept [X] in lists\n", "- [ ] accept [X] in lists\n"),
        ("- [ ] accept [x] in lists\n", "- [ ] accept [x] in lists\n"),
        // Any list marker.
        ("* [X] a\n", "* [ ] a\n"),
        ("+ [x] a\n", "+ [ ] a\n"),
        ("12) [X] a [x]\n", "12) [ ] a [x]\n"),
        // A box in front of the task's own, in a list item without text.
        ("- [[x]](a)\n- [x] b\n", "- [[x]](a)\n- [ ] b\n"),
        ("- - [X] a [x]\n", "- - [ ] a [x]\n"),
        // Quotes, code and details are not tasks.
        (
            "> - [x] a\n>\n> > - [X] b\n\n- [x] c\n",
            "> - [x] a\n>\n> > - [X] b\n\n- [ ] c\n",
        ),
        ("- > - [x] a\n", "- > - [x] a\n"),
        ("- [x] a\n  - [x] detail\n", "- [ ] a\n  - [x] detail\n"),
        ("```\n- [x] a\n```\n", "```\n- [x] a\n```\n"),
        // Any line ending.
        (
            "- [x] a [x]\r- [X] b [x]\r\n- [x] c",
            "- [ ] a [x]\r- [ ] b [x]\r\n- [ ] c",
        ),
    ] {
        let open = SpecDocument::parse(before).with_all_open();
        assert_eq!(open.as_str(), after);
        assert_eq!(open, SpecDocument::parse(after));
        assert_eq!(open.done_count(), 0);
    }
}
