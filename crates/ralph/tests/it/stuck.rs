//! When an agent gets nowhere.

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn iterations_that_change_nothing_end_the_run_at_the_threshold() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "echo 'I am sure that it is done.'");
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless", "--stuck-threshold", "2"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"stuck","reason":"2 iterations in a row ticked no box and made no commit","iterations_without_progress":2}
    --- exit code 1
    "#);
}

#[test]
fn a_commit_is_progress_and_resets_the_count() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"
        echo x >> "$OUTSIDE/calls"
        if [ "$(wc -l < "$OUTSIDE/calls")" -eq 2 ]; then work one; fi
        "#,
    );
    let transcript =
        world.transcript(&mut world.run_command(&agent, &["--headless", "--stuck-threshold", "2"]));
    assert!(
        transcript.contains(r#"{"event":"iteration","n":4,"phase":"starting"}"#),
        "{transcript}"
    );
    assert!(!transcript.contains(r#""n":5"#), "{transcript}");
    assert!(transcript.ends_with("--- exit code 1\n"), "{transcript}");
}

#[test]
fn an_agent_that_writes_stuck_md_ends_the_run_at_once() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        "mkdir -p .ai; printf 'There is no database.\\n\\nTried: to start one.\\n' > .ai/stuck.md",
    );
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"stuck","reason":"There is no database.\n\nTried: to start one.","iterations_without_progress":1}
    --- exit code 1
    "#);
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &[])), @r"
    SPEC.md: 2 tasks, command

    Iteration 1: Add a hello function
      [seconds]

    Stuck:
      There is no database.
      
      Tried: to start one.
    --- exit code 1
    ");
}

#[test]
fn stuck_md_of_an_earlier_run_is_ignored() {
    let world = World::new(TWO_TASKS);
    world.write(".ai/stuck.md", "There was no database.");
    let agent = world.script("agent", "tick");
    let output = world.run_command(&agent, &["--headless"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
    assert!(!world.path(".ai/stuck.md").exists());
}
