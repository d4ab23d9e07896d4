//! What an agent may do to SPEC.md, and what it may not.

use ralph_contract::{Reconciled, SpecDocument};

const SPEC: &str = "# T\n\n## One\n- [x] a\n  - detail\n- [ ] b\n\n## Two\n- [ ] c\n";

fn reconcile(found: &str) -> Reconciled {
    SpecDocument::parse(SPEC).reconcile(Some(found))
}

#[test]
fn a_file_that_is_as_it_was_changes_nothing() {
    let result = reconcile(SPEC);
    assert_eq!(
        result,
        Reconciled {
            document: SpecDocument::parse(SPEC),
            newly_done: vec![],
            restored: vec![],
            file_restored: false,
            discarded: vec![],
        }
    );
}

#[test]
fn ticks_are_taken_over() {
    let found = SPEC.replace("- [ ] b", "- [X] b");
    let result = reconcile(&found);
    assert_eq!(result.document.as_str(), SPEC.replace("- [ ] b", "- [x] b"));
    assert_eq!((result.newly_done, result.restored), (vec![1], vec![]));
}

#[test]
fn a_box_that_was_opened_again_is_open() {
    let found = SPEC.replace("- [x] a", "- [ ] a");
    let result = reconcile(&found);
    assert_eq!(result.document.as_str(), found);
    assert_eq!((result.newly_done, result.restored), (vec![], vec![]));
}

#[test]
fn deleted_tasks_come_back_with_the_box_they_had() {
    let result = reconcile("# T\n\n- [x] c\n");
    assert_eq!(result.document.as_str(), SPEC.replace("- [ ] c", "- [x] c"));
    assert_eq!((result.newly_done, result.restored), (vec![2], vec![0, 1]));
    assert!(!result.file_restored);
}

#[test]
fn a_reworded_task_comes_back_and_its_tick_does_not_count() {
    let result = reconcile(&SPEC.replace("- [ ] b", "- [x] b, the easy half"));
    assert_eq!(result.document.as_str(), SPEC);
    assert_eq!((result.newly_done, result.restored), (vec![], vec![1]));
    assert_eq!(result.discarded, ["b, the easy half"]);
}

#[test]
fn a_missing_or_empty_file_comes_back_whole() {
    for found in [None, Some(""), Some(" \r\n\n")] {
        let result = SpecDocument::parse(SPEC).reconcile(found);
        assert!(result.file_restored);
        assert_eq!(result.document.as_str(), SPEC);
        assert_eq!((result.newly_done, result.restored), (vec![], vec![]));
    }
}

#[test]
fn text_around_the_tasks_comes_back_as_it_was() {
    let found = "# Other title\n\n## One\n- [x] a\n  - easier detail\n- [x]   b\n\n## Two\n- [ ] c\n\nAll done!\n- [ ] more\n";
    let result = reconcile(found);
    assert_eq!(result.document.as_str(), SPEC.replace("- [ ] b", "- [x] b"));
    assert_eq!((result.newly_done, result.restored), (vec![1], vec![]));
    assert_eq!(result.discarded, ["more"]);
}

#[test]
fn line_endings_wrapping_and_order_do_not_hide_a_task() {
    let document = SpecDocument::parse("- [ ] a long task\n- [ ] b\n");
    let result = document.reconcile(Some("* [x] b\r\n* [x] a long\r\n  task"));
    assert_eq!(result.document.as_str(), "- [x] a long task\n- [x] b\n");
    assert_eq!(result.newly_done, [0, 1]);
}

#[test]
fn tasks_of_one_text_are_distinguished_by_phase_and_then_by_order() {
    let spec = "## One\n- [ ] test\n- [ ] test\n## Two\n- [ ] test\n";
    let document = SpecDocument::parse(spec);
    let by_phase = document.reconcile(Some("## Two\n- [x] test\n"));
    assert_eq!((by_phase.newly_done, by_phase.restored), (vec![2], vec![0, 1]));
    let by_order = document.reconcile(Some("- [x] test\n- [ ] test\n"));
    assert_eq!((by_order.newly_done, by_order.restored), (vec![0], vec![2]));
}
