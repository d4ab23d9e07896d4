//! Output that no agent should print.

use std::process::Stdio;

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn garbage_between_events_costs_no_event_and_no_memory() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        printf '{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash","input":{"command":"caf\303'
        printf '\251"}}]}}\r\n'
        printf '\000\377\376garbage\n\n\r\n'
        head -c 100000000 /dev/zero
        printf '\n{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Read","input":{"file_path":"\360\237'
        sleep 0.1
        printf '\246\200"}}]}}\n'
        tick; tick
        # The last line has no end.
        printf '%s' '{"type":"result","usage":{"input_tokens":7,"output_tokens":1}}'
        "#,
    );
    let mut command = world.run_claude(&claude, &[]);
    let ralph = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_transcript!(world.describe(&ralph.wait_with_output().unwrap()), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"tool","type":"bash","name":"Bash","input":{"command":"café"}}
    {"event":"tool","type":"read","path":"🦀","name":"Read","input":{"file_path":"🦀"}}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"output_truncated","message":"1 line of the agent's output cut at 1048576 bytes, 98951424 bytes dropped"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":2,"reads":1,"writes":0,"commands":1,"tokens":{"in":7,"out":1,"cache_read":0,"cache_write":0},"cost_usd":0.0}}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn an_agent_that_never_stops_printing_is_terminated_after_its_result() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude("tick; tick; result; yes '{\"type\":\"keep_alive\"}'");
    let mut command = world.run_claude(&claude, &["--result-grace", "0.3", "--signal-grace", "0.3"]);
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.5}}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}
