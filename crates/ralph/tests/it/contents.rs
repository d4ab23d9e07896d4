//! What an agent says and reads, in the events.

use ralph_contract::content::MAX_ITERATION_BYTES;
use ralph_contract::{Event, Line, WarningKind, parse_line};

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn messages_tool_calls_and_results_are_reported_in_order() {
    let world = World::new(TWO_TASKS);
    // With unusual text: NUL, a lone surrogate, colours of a terminal.
    let claude = world.fake_claude(
        r#"
        cat << 'END'
{"type":"assistant","message":{"content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"I \ud83e\udd80 \ud800 begin.\u0000"}]}}
{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Task","input":{"prompt":"Look"}}]}}
{"type":"user","message":{"content":[{"type":"text","text":"Look"}]},"parent_tool_use_id":"t1"}
{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t2","name":"Bash","input":{"command":"ls"}}]},"parent_tool_use_id":"t1"}
{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t2","content":"\u001b[31mred\u001b[0m","is_error":true}]},"parent_tool_use_id":"t1"}
{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"one"},{"type":"image"}]}]}}
{"type":"assistant","message":{"model":"<synthetic>","content":[{"type":"text","text":"API Error"}]},"error":"server_error"}
END
        tick; tick; result
        "#,
    );
    assert_transcript!(world.transcript(&mut world.run_claude(&claude, &[])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"claude","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"message","role":"assistant","text":"I 🦀 � begin.\u0000"}
    {"event":"tool","type":"read","id":"t1","name":"Task","input":{"prompt":"Look"}}
    {"event":"message","role":"user","text":"Look","parent_tool_id":"t1"}
    {"event":"tool","type":"bash","id":"t2","name":"Bash","input":{"command":"ls"},"parent_tool_id":"t1"}
    {"event":"tool_result","id":"t2","ok":false,"output":"\u001b[31mred\u001b[0m","parent_tool_id":"t1"}
    {"event":"tool_result","id":"t1","ok":true,"output":"one\n[image left out]"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms],"stats":{"tools":2,"reads":1,"writes":0,"commands":1,"tokens":{"in":10,"out":5,"cache_read":0,"cache_write":0},"cost_usd":0.5}}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn an_iteration_reports_a_bounded_amount_of_text() {
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        text=$(head -c 100000 /dev/zero | tr '\0' x)
        for n in $(seq 300); do
            printf '{"type":"assistant","message":{"content":[{"type":"text","text":"%s %s"}]}}\n' "$n" "$text"
        done
        tick; tick; result
        "#,
    );
    let output = world.run_claude(&claude, &[]).output().unwrap();
    assert!(
        output.stdout.len() < MAX_ITERATION_BYTES + 100_000,
        "{}",
        output.stdout.len()
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    let (mut reported, mut warnings) = (0, Vec::new());
    for line in stdout.lines() {
        let line = parse_line(line);
        if let Line::Event(Event::Message(message)) = &line {
            reported += 1;
            assert!(message.text.starts_with(&format!("{reported} xxx")));
            assert!(message.truncated_bytes > 80_000);
        }
        if let Line::Event(Event::Warning(warning)) = line {
            warnings.push((warning.kind, warning.message));
        }
    }
    assert_eq!(reported, 256);
    let message =
        "44 texts with 720148 bytes not reported: an iteration reports at most 4194304 bytes of them";
    assert_eq!(warnings, [(WarningKind::ContentOmitted, message.to_owned())]);
}

#[test]
fn a_secret_where_a_text_is_cut_is_masked_as_a_whole() {
    const SECRET: &str = "sk-ant-0123456789";
    let world = World::new(TWO_TASKS);
    let claude = world.fake_claude(
        r#"
        keys=$(yes "$ANTHROPIC_API_KEY" | head -n 3000 | tr -d '\n')
        echo '{"type":"assistant","message":{"content":[{"type":"text","text":"'"$keys"'"}]}}'
        echo '{"type":"assistant","message":{"content":[{"type":"tool_use","id":"t1","name":"Bash","input":{"command":["'"$keys"'"]}}]}}'
        echo '{"type":"user","message":{"content":[{"type":"tool_result","tool_use_id":"t1","content":"'"$keys"'"}]}}'
        tick; tick; result
        "#,
    );
    let mut command = world.run_claude(&claude, &[]);
    command.env("ANTHROPIC_API_KEY", SECRET);
    let transcript = world.transcript(&mut command);
    assert_eq!(transcript.matches("bytes left out").count(), 2, "{transcript}");
    assert!(
        !transcript.contains("sk-ant") && !transcript.contains("6789[redacted]"),
        "{transcript}"
    );
}
