//! Ticking a box.

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
fn opening_all_tasks_changes_their_boxes_and_no_other_brackets() {
    for (before, after) in [
        (
            "# T\r\n\r\n- [x] one [x]\n  - [ ] detail [x]\n- [ ] two\n* [X] three",
            "# T\r\n\r\n- [ ] one [x]\n  - [ ] detail [x]\n- [ ] two\n* [ ] three",
        ),
        (
            "- [X] fix the `[x]` in the list\n",
            "- [ ] fix the `[x]` in the list\n",
        ),
        ("- [x] array[X] = [x]\n", "- [ ] array[X] = [x]\n"),
        (
            "- [ ] open [x] [X]\n\nprose [x]\n",
            "- [ ] open [x] [X]\n\nprose [x]\n",
        ),
        ("no task [x]\n", "no task [x]\n"),
    ] {
        let open = SpecDocument::parse(before).with_open_tasks();
        assert_eq!(open.as_str(), after);
        assert_eq!(open, SpecDocument::parse(after));
    }
}

#[test]
fn a_box_that_is_not_there_or_ticked_already_is_an_error() {
    let document = SpecDocument::parse("- [x] one\n");
    assert_eq!(document.tick(0), Err(TickError::AlreadyDone { index: 0 }));
    assert_eq!(
        document.tick(1),
        Err(TickError::NoSuchTask { index: 1, tasks: 1 })
    );
}
