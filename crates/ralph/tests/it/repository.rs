//! What an agent may do to its repository and its checklist, and what becomes of it.

use std::fs;
use std::os::unix::fs::symlink;

use crate::world::{TWO_TASKS, World, assert_transcript};

/// Plays one agent that spoils the checklist, and then one that does every task.
fn after_spoiling(how: &str) -> (World, String) {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        &format!(
            r#"
            if [ ! -e "$OUTSIDE/spoiled" ]; then
                touch "$OUTSIDE/spoiled"
                {how}
            else
                tick
            fi
            "#
        ),
    );
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    assert_eq!(world.read("SPEC.md"), TWO_TASKS.replace("[ ]", "[x]"));
    (world, transcript)
}

#[test]
fn tasks_that_were_deleted_or_reworded_are_restored_and_added_ones_removed() {
    let how = "sed -i -e 's/hello/nothing/' -e '$d' SPEC.md; echo '- [x] Something easier' >> SPEC.md";
    let (_world, transcript) = after_spoiling(how);
    assert_transcript!(transcript, @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"task_restored","message":"tasks were deleted or reworded in SPEC.md and were restored: Add a hello function; Add a goodbye function"}
    {"event":"warning","type":"task_discarded","message":"tasks were added to SPEC.md and were removed: Add a nothing function; Something easier"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"iteration","n":3,"phase":"starting"}
    {"event":"iteration","n":3,"phase":"running"}
    {"event":"iteration","n":3,"phase":"finishing"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":3,"duration_ms":[ms]}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn a_checklist_that_was_removed_is_restored() {
    let (_world, transcript) = after_spoiling("git clean -fdxq");
    assert_transcript!(transcript, @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"spec_restored","message":"SPEC.md was missing or empty and was restored"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"iteration","n":3,"phase":"starting"}
    {"event":"iteration","n":3,"phase":"running"}
    {"event":"iteration","n":3,"phase":"finishing"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":3,"duration_ms":[ms]}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn a_checklist_that_became_a_link_is_a_file_again_and_the_target_is_untouched() {
    let how = r#"echo "- [x] Add a hello function" > "$OUTSIDE/target"; ln -sf "$OUTSIDE/target" SPEC.md"#;
    let (world, transcript) = after_spoiling(how);
    assert!(transcript.contains("spec_restored"), "{transcript}");
    let target = fs::read_to_string(world.outside("target")).unwrap();
    assert_eq!(target, "- [x] Add a hello function\n");
}

#[test]
fn a_ticked_box_stays_ticked_when_the_rest_of_the_file_is_destroyed() {
    let (_world, transcript) = after_spoiling("tick; sed -i 's/goodbye/nothing/' SPEC.md");
    assert_transcript!(transcript, @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"warning","type":"task_restored","message":"tasks were deleted or reworded in SPEC.md and were restored: Add a goodbye function"}
    {"event":"warning","type":"task_discarded","message":"tasks were added to SPEC.md and were removed: Add a nothing function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn a_checklist_that_became_a_directory_ends_the_run() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "rm SPEC.md; mkdir SPEC.md; touch SPEC.md/file");
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    assert!(
        transcript.contains(r#"{"event":"failed","error":"restoring SPEC.md: cannot write"#),
        "{transcript}"
    );
    assert!(transcript.ends_with("--- exit code 3\n"), "{transcript}");
}

#[test]
fn programs_that_the_repository_configures_are_not_run() {
    let world = World::new(TWO_TASKS);
    let trap = world.script("trap", "touch \"$OUTSIDE/trapped\"");
    let trap = trap.to_str().unwrap();
    for (name, value) in [
        ("core.fsmonitor", trap),
        ("core.pager", trap),
        ("core.hooksPath", &world.outside("bin").to_string_lossy()),
        ("gpg.program", trap),
        ("log.showSignature", "true"),
        ("diff.external", trap),
    ] {
        world.repository.run(["config", "--local", name, value]).unwrap();
    }
    symlink(trap, world.outside("bin/post-index-change")).unwrap();
    let agent = world.script(
        "agent",
        "git -c core.fsmonitor=false -c core.hooksPath=/dev/null commit -q --allow-empty -m Empty; tick; tick",
    );
    let output = world.run_command(&agent, &["--headless"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
    assert!(!world.outside("trapped").exists());
}

#[test]
fn a_repository_without_a_commit_is_accepted() {
    let world = World::new(TWO_TASKS);
    fs::remove_dir_all(world.path(".git")).unwrap();
    world
        .repository
        .run(["init", "--quiet", "--initial-branch=main"])
        .unwrap();
    let agent = world.script("agent", "git add README.md; work one; tick; tick");
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    assert!(transcript.contains(r#""message":"Add one""#), "{transcript}");
    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
}

#[test]
fn missing_prerequisites_are_reported() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "tick");
    let failed = |command: &mut std::process::Command| {
        let transcript = world.transcript(command);
        assert!(transcript.ends_with("--- exit code 3\n"), "{transcript}");
        transcript
    };
    let mut transcripts = vec![failed(
        &mut world.run_command(&agent, &["--headless", "--spec", "other.md"]),
    )];
    world.write("SPEC.md", "# No tasks\n");
    transcripts.push(failed(&mut world.run_command(&agent, &["--headless"])));
    world.write("SPEC.md", TWO_TASKS);
    transcripts.push(failed(
        &mut world.run_command(&world.outside("no-such-program"), &["--headless"]),
    ));
    fs::remove_dir_all(world.path(".git")).unwrap();
    transcripts.push(failed(&mut world.run_command(&agent, &["--headless"])));
    assert_transcript!(transcripts.concat(), @r#"
    {"event":"failed","error":"other.md does not exist; `ralph init` writes a template, `ralph spec` one from a description"}
    --- exit code 3
    {"event":"failed","error":"SPEC.md has no tasks; `ralph validate` reports what is missing"}
    --- exit code 3
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"failed","error":"cannot start `[world]/no-such-program`: No such file or directory (os error 2)"}
    --- exit code 3
    {"event":"failed","error":"[world]/repository is not in a git working tree, which is needed to recognise commits; `git init` creates one"}
    --- exit code 3
    "#);
}

#[test]
fn a_repository_that_the_agent_removed_ends_the_run() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "rm -rf .git; tick");
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    assert!(
        transcript.contains("reading new commits: git rev-parse failed"),
        "{transcript}"
    );
    assert!(transcript.ends_with("--- exit code 3\n"), "{transcript}");
}

#[test]
fn a_checklist_outside_the_repository_is_accepted() {
    let world = World::new(TWO_TASKS);
    fs::write(world.outside("plan.md"), TWO_TASKS).unwrap();
    let agent = world.script("agent", "tick ../plan.md");
    let transcript =
        world.transcript(&mut world.run_command(&agent, &["--headless", "--spec", "../plan.md"]));
    assert!(!transcript.contains("uncommitted_changes"), "{transcript}");
    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
}
