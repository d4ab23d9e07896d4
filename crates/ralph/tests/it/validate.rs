//! `ralph validate` and `ralph init`.

use std::path::Path;

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn a_checklist_that_follows_the_conventions_passes() {
    let world = World::new(TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["validate"])), @r"
    SPEC.md: 2 tasks, 0 done; no violations
    --- exit code 0
    ");
}

#[test]
fn violations_are_reported_with_line_reason_and_suggestion() {
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
    ralph: missing.md does not exist; `ralph init` writes a template
    --- exit code 3
    ");
}

#[test]
fn init_writes_a_template_that_is_not_valid_until_it_is_filled_in() {
    let world = World::new(TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["init"])), @r"
    --- stderr
    ralph: SPEC.md exists already and is not overwritten
    --- exit code 3
    ");
    assert_eq!(world.read("SPEC.md"), TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.ralph(&["init", "plans/next.md"])), @r"
    wrote plans/next.md: replace its placeholders, check it with `ralph validate`, then start `ralph run`
    --- exit code 0
    ");
    assert_transcript!(world.transcript(&mut world.ralph(&["validate", "plans/next.md"])), @r"
    plans/next.md: line 1: placeholder of the template: `Title: the result of all tasks`; replace it with your own text
    plans/next.md: line 11: placeholder of the template: `Goal: for whom this is, and why, in one or two sentences.`; replace it with your own text
    plans/next.md: line 17: placeholder of the template: `First task: a requirement, stated as it will be true when it is met`; replace it with your own text
    plans/next.md: line 18: placeholder of the template: `First deliverable of the first task, which can be checked`; replace it with your own text
    plans/next.md: line 19: placeholder of the template: `Second deliverable of the first task`; replace it with your own text
    plans/next.md: line 20: placeholder of the template: `Second task: another requirement`; replace it with your own text
    plans/next.md: line 21: placeholder of the template: `First deliverable of the second task`; replace it with your own text
    --- exit code 3
    ");
    world.write(
        "plans/next.md",
        "# Greetings\n\n## Goal\n\nFor visitors.\n\n## Tasks\n\n- [ ] Greets visitors\n",
    );
    assert_transcript!(world.transcript(&mut world.ralph(&["validate", "plans/next.md"])), @r"
    plans/next.md: 1 task, 0 done; no violations
    --- exit code 0
    ");
}

#[test]
fn a_run_with_the_placeholders_of_the_template_is_refused() {
    let world = World::new("");
    std::fs::remove_file(world.path("SPEC.md")).unwrap();
    world.transcript(&mut world.ralph(&["init"]));
    let agent = world.script("agent", "touch \"$OUTSIDE/started\"");
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless"])), @r#"
    {"event":"failed","error":"SPEC.md is not ready: line 1 of the spec is a placeholder of the template: replace it with your own text"}
    --- exit code 3
    "#);
    assert!(!world.outside("started").exists());
}

#[test]
fn the_specification_of_ralph_is_valid_and_names_tests_that_exist() {
    let world = World::new(TWO_TASKS);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("SPEC-ralph.md")).unwrap();
    world.write("SPEC-ralph.md", &text);
    let transcript = world.transcript(&mut world.ralph(&["validate", "SPEC-ralph.md"]));
    assert!(
        transcript.contains("no violations\n--- exit code 0"),
        "{transcript}"
    );

    let sources = ["crates/ralph", "crates/ralph-contract"].map(|name| sources_below(&root.join(name)));
    let sources = sources.concat();
    let shown_by = text
        .lines()
        .filter(|line| line.trim_start().starts_with("- Shown by "));
    for test in shown_by.flat_map(|line| line.split('`').skip(1).step_by(2)) {
        assert!(
            sources.contains(&format!("fn {test}(")),
            "there is no test `{test}`"
        );
    }
}

fn sources_below(directory: &Path) -> String {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let texts = entries.map(|path| {
        if path.is_dir() {
            sources_below(&path)
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            std::fs::read_to_string(path).unwrap()
        } else {
            String::new()
        }
    });
    texts.collect()
}
