//! `ralph validate` and `ralph init`.

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn a_checklist_that_keeps_the_conventions_passes() {
    let world = World::new(TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["validate"])), @r"
    SPEC.md: 2 tasks, 0 of them done; no violation
    --- exit code 0
    ");
}

#[test]
fn violations_come_with_their_line_their_reason_and_a_better_way() {
    let world = World::new(TWO_TASKS);
    world.write(
        "plan.md",
        "# Login\n\n- [ ] Change auth.ts:42\n- [ ] Run `npm install zod`\n\n## Technical Notes\n\nUse bcrypt.\n",
    );
    assert_transcript!(world.transcript(&mut world.ralph(&["validate", "plan.md"])), @r#"
    plan.md: line 3: reference to a line of a file: `auth.ts:42`; name the behaviour, or the file without a line: lines move while the tasks are done
    plan.md: line 4: shell command: `` `npm install zod` ``; name the result ("has the zod dependency", "all tests pass") instead of the command
    plan.md: line 6: section of technical notes: `Technical Notes`; move what is required into tasks and leave out the rest
    --- exit code 3
    "#);
    assert_transcript!(world.transcript(&mut world.ralph(&["validate", "missing.md"])), @r"
    --- stderr
    ralph: there is no missing.md; `ralph init` makes one
    --- exit code 3
    ");
}

#[test]
fn a_new_checklist_is_valid_and_an_old_one_stays() {
    let world = World::new(TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["init"])), @r"
    --- stderr
    ralph: SPEC.md is there already, and stays as it is
    --- exit code 3
    ");
    assert_eq!(world.read("SPEC.md"), TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["init", "plans/next.md"])), @r"
    plans/next.md is there: fill it in, then `ralph validate` and `ralph run`
    --- exit code 0
    ");
    assert_transcript!(world.transcript(&mut world.ralph(&["validate", "plans/next.md"])), @r"
    plans/next.md: 2 tasks, 0 of them done; no violation
    --- exit code 0
    ");
}
