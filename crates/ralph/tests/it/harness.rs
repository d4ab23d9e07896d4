//! Known misbehaviour of Claude Code, played by scripts.

use std::time::{Duration, Instant};

use crate::world::{TWO_TASKS, World, assert_transcript, is_alive, pids};

#[test]
fn tools_tokens_and_cost_are_reported() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        init
        echo '{"type":"assistant","message":{"id":"m1","content":[{"type":"text","text":"I begin."},{"type":"tool_use","name":"Read","input":{"file_path":"'"$PWD"'/src/lib.rs"}}]}}'
        echo '{"type":"assistant","message":{"id":"m2","content":[{"type":"tool_use","name":"Edit","input":{"file_path":"'"$PWD"'/src/lib.rs"}},{"type":"tool_use","name":"Bash","input":{"command":"cargo test"}},{"type":"tool_use","name":"Write","input":{"file_path":"/elsewhere/file"}}]}}'
        tick
        result
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &["-n", "1", "--model", "opus"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"model":"opus","harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"message","role":"assistant","text":"I begin."}
    {"event":"tool","type":"read","path":"src/lib.rs","name":"Read","input":{"file_path":"[world]/repository/src/lib.rs"}}
    {"event":"tool","type":"write","path":"src/lib.rs","name":"Edit","input":{"file_path":"[world]/repository/src/lib.rs"}}
    {"event":"tool","type":"bash","name":"Bash","input":{"command":"cargo test"}}
    {"event":"tool","type":"write","path":"/elsewhere/file","name":"Write","input":{"file_path":"/elsewhere/file"}}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":4,"reads":1,"writes":2,"commands":1,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.5}}
    {"event":"failed","error":"the limit of 1 iteration is reached with 1 of 2 tasks open"}
    --- exit code 2
    "#);
    let mut human = world.ralph(&["run", "-n", "1", "--claude-bin"]);
    assert_transcript!(world.transcript(human.arg(&claude)), @r"
    SPEC.md: 2 tasks, claude

    Iteration 1: Add a goodbye function
      | I begin.
      read  src/lib.rs
      write src/lib.rs
      run   cargo test
      write /elsewhere/file
      done   Add a goodbye function
      [seconds], 4 tool calls, 10 tokens in, 5 out, $0.50

    Complete: 2 tasks done in [seconds]
    --- exit code 0
    ");
}

#[test]
fn equal_tool_calls_have_equal_digests_and_different_calls_different_ones() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        call() { echo '{"type":"assistant","message":{"content":[{"type":"tool_use","name":"'"$1"'","input":{'"$2"'}}]}}'; }
        init
        call Bash '"command":"make"'
        call Bash '"command":"cargo test"'
        call Bash '"command":"make"'
        call Edit '"file_path":"a.rs","old_string":"1","new_string":"2"'
        call Edit '"file_path":"a.rs","old_string":"2","new_string":"1"'
        call Edit '"new_string":"2","old_string":"1","file_path":"a.rs"'
        call Glob '"pattern":"x"'
        call Grep '"pattern":"x"'
        result
        "#,
    );
    let digests = |transcript: &str| -> Vec<String> {
        let events = transcript
            .lines()
            .filter(|line| line.contains(r#""event":"tool""#));
        let digest = |line: &str| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["digest"].as_str().unwrap().to_owned()
        };
        events.map(digest).collect()
    };
    let run = || world.transcript(&mut world.run_claude(&claude, &["-n", "1"]));

    let transcript = run();

    let found = digests(&transcript);
    let first_seen = |digest: &String| found.iter().position(|found| found == digest).unwrap();
    let seen: Vec<usize> = found.iter().map(first_seen).collect();
    assert_eq!(seen, [0, 1, 0, 3, 4, 3, 6, 7], "{found:?}");
    // Who knows most of an input cannot find the rest by trying.
    assert_ne!(digests(&run())[1], found[1]);
}

#[test]
fn an_agent_that_hangs_after_its_result_is_terminated_and_succeeds() {
    let world = World::new(TWO_TASKS);
    // Deaf to all but SIGKILL.
    let claude = world.fake_claude(
        r#"trap '' INT TERM; echo $$ > "$OUTSIDE/pids"; tick; tick; result; while :; do sleep 300; done"#,
    );
    let mut command = world.run_claude(&claude, &["--result-grace", "0.2", "--signal-grace", "0.2"]);
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
    assert!(pids(&world.outside("pids")).iter().all(|&pid| !is_alive(pid)));
}

#[test]
fn an_agent_that_hangs_after_a_tool_result_is_terminated_and_fails() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(r#"init; echo '{"type":"user","message":{"content":[]}}'; sleep 300"#);
    let mut command = world.run_claude(&claude, &["--timeout-idle", "0.3", "-n", "1"]);
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent printed nothing for [seconds]"}
    {"event":"failed","error":"the limit of 1 iteration is reached with 2 of 2 tasks open"}
    --- exit code 2
    "#);
}

#[test]
fn a_result_that_follows_a_signal_does_not_count() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude("trap 'result; exit' INT; init; while :; do sleep 0.05; done");
    let transcript = world.transcript(&mut world.run_claude(&claude, &["--timeout-idle", "0.3", "-n", "1"]));
    assert!(
        transcript.contains("the agent printed nothing for 0.3 s"),
        "{transcript}"
    );
    assert!(
        transcript.contains(r#""tokens":{"in":10,"out":5"#),
        "{transcript}"
    );
}

#[test]
fn an_agent_that_closes_its_output_without_a_result_is_terminated_and_fails() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude("init; exec >&- 2>&-; sleep 300");
    let mut command = world.run_claude(&claude, &["--result-grace", "0.2", "-n", "1"]);
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent closed its output without a result"}
    {"event":"failed","error":"the limit of 1 iteration is reached with 2 of 2 tasks open"}
    --- exit code 2
    "#);
}

#[test]
fn a_descendant_that_holds_the_output_open_does_not_delay_the_run() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(r#"init; escape; tick; result"#);
    let started = Instant::now();
    let mut command = world.run_claude(&claude, &["-n", "2"]);
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"leftover_processes","message":"1 process outlived the agent and had to be terminated: sleep"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.5}}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"warning","type":"leftover_processes","message":"1 process outlived the agent and had to be terminated: sleep"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms],"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.5}}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    assert!(pids(&world.outside("pids")).iter().all(|&pid| !is_alive(pid)));
}

#[test]
fn an_agent_that_exits_with_0_and_without_a_result_fails() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude("init; echo 'no space left' >&2");
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &["-n", "1"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent exited without a result (exit code 0): no space left"}
    {"event":"failed","error":"the limit of 1 iteration is reached with 2 of 2 tasks open"}
    --- exit code 2
    "#);
}

#[test]
fn a_result_without_tokens_is_a_failure_and_one_without_a_cost_is_not() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        init
        if [ ! -e "$OUTSIDE/called" ]; then
            touch "$OUTSIDE/called"
            echo '{"type":"result","subtype":"success","is_error":false,"result":"","usage":{"input_tokens":0,"output_tokens":0}}'
        else
            tick
            printf '%s' '{"type":"result","usage":{"input_tokens":7,"output_tokens":1}}'
        fi
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &["-n", "2"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent reported that it used no tokens"}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms],"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":7,"out":1,"cache_read":0,"cache_write":0},"cost_usd":0.0}}
    {"event":"failed","error":"the limit of 2 iterations is reached with 1 of 2 tasks open"}
    --- exit code 2
    "#);
}

#[test]
fn work_that_was_done_before_a_failure_counts() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude("init; tick; exit 1");
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &[])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"iteration_failed","message":"the agent exited without a result (exit code 1)"}
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
fn a_problem_of_the_model_provider_ends_the_run_at_once() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        init
        echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":529,"result":"API Error: 529 Overloaded.","usage":{"input_tokens":0,"output_tokens":0}}'
        exit 1
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &[])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"provider_unavailable","message":"API Error: 529 Overloaded."}
    {"event":"failed","error":"the model provider is unavailable: API Error: 529 Overloaded."}
    --- exit code 3
    "#);
    let claude = world.fake_claude(
        r#"
        init
        echo '{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795189962}}'
        echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"api_error":"usage_limit_reached","result":"You have hit your limit · resets 3:52pm (UTC)","usage":{"input_tokens":120,"output_tokens":50}}'
        exit 1
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &[])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":120,"out":50,"cache_read":0,"cache_write":0},"cost_usd":0.0}}
    {"event":"warning","type":"provider_limited","message":"You have hit your limit · resets 3:52pm (UTC)","resets_at":"[time]"}
    {"event":"failed","error":"the model provider limits requests: You have hit your limit · resets 3:52pm (UTC)"}
    --- exit code 3
    "#);
}

#[test]
fn an_agent_that_would_wait_an_hour_for_the_provider_is_terminated() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        init
        echo '{"type":"system","subtype":"api_retry","attempt":1,"max_retries":4,"retry_delay_ms":3600000,"error_status":429,"error":"rate_limit"}'
        sleep 300
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &[])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"warning","type":"provider_limited","message":"the model API answers 429, and would be asked again in 3600 s","resets_at":"[time]"}
    {"event":"failed","error":"the model provider limits requests: the model API answers 429, and would be asked again in 3600 s"}
    --- exit code 3
    "#);
}

#[test]
fn unknown_events_are_reported_once_and_misfits_each_time() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        echo '{"type":"telepathy"}'
        echo '{"type":"telepathy"}'
        echo '{"type":"assistant","message":7}'
        echo 'Segmentation fault'
        for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo '{"type":'; done
        tick; tick
        result
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &[])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"warning","type":"unknown_harness_event","message":"the harness sent an event of an unknown kind: `telepathy`"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `assistant` with an unexpected body (invalid type: integer `7`, expected struct Message): {\"type\":\"assistant\",\"message\":7}"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent an event `line` with an unexpected body (EOF while parsing a value at line 1 column 8): {\"type\":"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"harness_misfit","message":"the harness sent 3 events more with an unexpected body"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.5}}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn a_claude_program_that_is_too_old_missing_or_another_program_is_refused() {
    let world = World::new(TWO_TASKS);
    let old = world.script("old", r#"echo "2.1.213 (Claude Code)""#);
    let other = world.script("other", r#"echo "ralph is not here"; echo "really not" >&2"#);
    let missing = world.outside("bin/missing");
    let transcripts: String = [&old, &other, &missing]
        .map(|claude| world.transcript(&mut world.run_claude(claude, &[])))
        .concat();
    assert_transcript!(transcripts, @r#"
    {"event":"failed","error":"Claude Code 2.1.213 is too old: at least 2.1.214 is needed; install it with `npm install -g @anthropic-ai/claude-code`, or name another with `--claude-bin`"}
    --- exit code 3
    {"event":"failed","error":"`[world]/bin/other` does not print a version of Claude Code, but: ralph is not here really not; install it with `npm install -g @anthropic-ai/claude-code`, or name another with `--claude-bin`"}
    --- exit code 3
    {"event":"failed","error":"asking Claude Code for its version (install it with `npm install -g @anthropic-ai/claude-code`, or name another with `--claude-bin`): cannot start `[world]/bin/missing`: No such file or directory (os error 2)"}
    --- exit code 3
    "#);
}

#[test]
fn tool_calls_that_were_not_allowed_are_a_warning() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        init; work "task-$$"; tick
        echo '{"type":"result","result":"","usage":{"output_tokens":9},"permission_denials":[{"tool_name":"Bash","tool_input":{"command":"touch .git/x"}},{"tool_name":"Bash","tool_input":{"command":"touch .git/x"}}]}'
        "#,
    );
    let transcript = world.transcript(&mut world.run_claude(&claude, &[]));
    assert!(
        transcript.contains(
            r#"{"event":"warning","type":"tool_denied","message":"the harness did not allow 2 tool calls: Bash: touch .git/x"}"#
        ),
        "{transcript}"
    );
}

#[test]
fn an_agent_that_repeats_itself_is_terminated_and_the_next_one_continues() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        init
        if [ -e "$OUTSIDE/first" ]; then work "task-$$"; tick; tick; result; exit; fi
        touch "$OUTSIDE/first"
        n=0
        while [ $n -lt 1000 ]; do
            n=$((n + 1))
            printf '{"type":"assistant","message":{"id":"m%s","content":[{"type":"tool_use","id":"t%s","name":"Bash","input":{"command":"make"}}]}}\n' $n $n
            printf '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t%s","content":"red"}]}}\n' $n
            sleep 0.02
        done
        "#,
    );
    let transcript = world.transcript(&mut world.run_claude(&claude, &[]));
    assert!(
        transcript.contains("the agent repeated itself and was terminated: the same call gave the same result 10 times in a row: Bash make"),
        "{transcript}"
    );
    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
    assert!(
        transcript.matches(r#""event":"tool","#).count() < 500,
        "{transcript}"
    );
}
