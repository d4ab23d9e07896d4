//! Counts and times that end a run.

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn iterations_that_are_used_up_have_an_exit_code_of_their_own() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "tick");
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless", "-n", "1"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"failed","error":"the limit of 1 iteration is reached with 1 of 2 tasks open"}
    --- exit code 2
    "#);
    world.write("SPEC.md", TWO_TASKS);
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["-n", "1"])), @r"
    SPEC.md: 2 tasks, command

    Iteration 1: Add a hello function
      done   Add a hello function
      [seconds]

    Failed: the limit of 1 iteration is reached with 1 of 2 tasks open
    --- exit code 2
    ");
}

#[test]
fn an_agent_that_reaches_the_idle_timeout_is_terminated() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"echo $$ >> "$OUTSIDE/pids"; echo "Let me think"; sleep 300"#,
    );
    let mut command = world.run_command(&agent, &["--headless", "--timeout-idle", "0.5", "-n", "2"]);
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent printed nothing for [seconds]"}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent printed nothing for [seconds]"}
    {"event":"failed","error":"the limit of 2 iterations is reached with 2 of 2 tasks open"}
    --- exit code 2
    "#);
    let pids = crate::world::pids(&world.outside("pids"));
    assert_eq!(pids.len(), 2);
    assert!(pids.iter().all(|&pid| !crate::world::is_alive(pid)));
}

#[test]
fn an_agent_that_keeps_printing_may_run_longer_than_the_idle_timeout() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        "for n in 1 2 3 4 5 6 7 8 9 10; do echo $n; sleep 0.2; echo $n >&2; sleep 0.2; done; tick; tick",
    );
    let output = world
        .run_command(&agent, &["--headless", "--timeout-idle", "2"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
}

#[test]
fn three_failed_iterations_in_a_row_fail_the_run() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "echo trying; echo 'out of memory' >&2; exit 137");
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless", "--stuck-threshold", "9"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent failed (exit code 137): out of memory"}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent failed (exit code 137): out of memory"}
    {"event":"iteration","n":3,"phase":"starting"}
    {"event":"iteration","n":3,"phase":"running"}
    {"event":"iteration","n":3,"phase":"finishing"}
    {"event":"iteration_done","n":3,"duration_ms":[ms]}
    {"event":"failed","error":"3 iterations in a row failed, the last one with: the agent failed (exit code 137): out of memory"}
    --- exit code 3
    "#);
}

#[test]
fn an_agent_that_fails_without_output_is_not_retried() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "echo 'no such option' >&2; exit 2");
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"failed","error":"the agent failed (exit code 2): no such option; it printed nothing, so it is not retried"}
    --- exit code 3
    "#);
}
