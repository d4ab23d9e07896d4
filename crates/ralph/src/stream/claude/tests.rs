use ralph_contract::WarningKind;

use super::*;
use crate::provider::TroubleKind;

macro_rules! capture {
    ($case:literal) => {
        include_str!(concat!(
            "../../../tests/captures/claude-2.1.329-",
            $case,
            ".jsonl"
        ))
    };
}

fn decode(lines: &str) -> Vec<Signal> {
    let mut decoder = ClaudeDecoder::new("/tmp/sample/repository".into());
    lines.lines().flat_map(|line| decoder.decode(line)).collect()
}

/// One line for each signal.
fn listing(lines: &str) -> String {
    let signals = decode(lines);
    let lines: Vec<_> = signals.iter().map(|signal| format!("{signal:?}")).collect();
    lines.join("\n")
}

fn result(lines: &str) -> AgentResult {
    let mut results = decode(lines).into_iter().filter_map(|signal| match signal {
        Signal::Result(result) => Some(result),
        Signal::Tool(_)
        | Signal::ToolResult(_)
        | Signal::Message(_)
        | Signal::Text(_)
        | Signal::ProviderRetry { .. }
        | Signal::Unknown { .. }
        | Signal::Misfit { .. } => None,
    });
    let result = results.next().unwrap();
    assert_eq!(results.next(), None);
    result
}

fn trouble(lines: &str) -> (TroubleKind, String) {
    let trouble = result(lines).trouble.unwrap();
    (trouble.kind, trouble.message)
}

#[test]
fn a_run_that_does_a_task_gives_its_tools_and_its_result() {
    insta::assert_snapshot!(listing(capture!("task")));
}

#[test]
fn an_overloaded_provider_is_distinguished_from_a_failed_task() {
    insta::assert_snapshot!(listing(capture!("overloaded")));
    assert_eq!(trouble(capture!("overloaded-midway")).0, TroubleKind::Unavailable);
    assert_eq!(
        trouble(capture!("connection-refused")).0,
        TroubleKind::Unavailable
    );
}

#[test]
fn a_limit_of_the_provider_is_reported_in_its_own_words() {
    assert_eq!(trouble(capture!("rate-limited")).0, TroubleKind::Limited);
    assert_eq!(trouble(capture!("no-credit")).0, TroubleKind::Limited);
    let usage_limit = result(capture!("usage-limit")).trouble.unwrap();
    let expected = Trouble {
        kind: TroubleKind::Limited,
        message: "You've hit your limit · resets 3:52pm (UTC)".to_owned(),
        // To the second, from the event before the message.
        resets_at: DateTime::from_timestamp(1_795_189_962, 0),
    };
    assert_eq!(usage_limit, expected);
}

#[test]
fn refused_credentials_are_distinguished_from_a_limit() {
    let trouble = result(capture!("unauthenticated")).trouble.unwrap();
    assert_eq!(trouble.kind, TroubleKind::Refused);
    assert_eq!(trouble.warning().kind, WarningKind::ProviderRefused);
}

#[test]
fn tokens_that_were_used_before_a_result_are_known_without_it() {
    let lines = capture!("overloaded-midway");
    let mut decoder = ClaudeDecoder::new("/tmp/sample/repository".into());
    for line in lines.lines().filter(|line| !line.contains(r#""type":"result""#)) {
        decoder.decode(line);
    }
    let usage = decoder.usage_so_far();
    assert_eq!(
        (usage.tokens_in, usage.cache_read, usage.cache_write),
        (120, 30, 40)
    );
}

#[test]
fn a_result_ends_the_run_however_little_it_says() {
    let bare = result(r#"{"type":"result"}"#);
    assert!(!bare.is_error);
    assert!(bare.used_no_tokens());
    let nulls = r#"{"type":"result","subtype":"success","is_error":false,"result":null,"usage":{"input_tokens":3,"output_tokens":null},"total_cost_usd":null,"api_error_status":null}"#;
    let nulls = result(nulls);
    assert_eq!(nulls.text, "success");
    assert_eq!(nulls.usage.tokens_in, 3);
}

#[test]
fn an_unknown_kind_is_kept_apart_from_a_known_one_that_does_not_fit() {
    insta::assert_snapshot!(
        listing(concat!(
            "{\"type\":\"telepathy\",\"thought\":1}\n",
            "{\"type\":\"assistant\",\"message\":{\"content\":\"a string\"}}\n",
            "{\"type\":\"result\",\"usage\":[]}\n",
            "{\"type\":\"assis\n",
            "{\"kind\":\"assistant\"}\n",
            "npm warn something\n",
            "\n",
        )),
        @r#"
    Unknown { kind: "telepathy" }
    Misfit { kind: "assistant", error: "invalid type: string \"a string\", expected a sequence", start: "{\"type\":\"assistant\",\"message\":{\"content\":\"a string\"}}" }
    Misfit { kind: "result", error: "invalid length 0, expected struct Usage with 4 elements", start: "{\"type\":\"result\",\"usage\":[]}" }
    Misfit { kind: "line", error: "EOF while parsing a string at line 1 column 14", start: "{\"type\":\"assis" }
    Misfit { kind: "line", error: "there is no `type`", start: "{\"kind\":\"assistant\"}" }
    Text("npm warn something")
    "#
    );
}

#[test]
fn the_beginning_of_a_long_line_that_does_not_fit_is_enough() {
    let line = format!(r#"{{"type":"assistant","message":"{}"}}"#, "🦀".repeat(100_000));
    let [Signal::Misfit { start, .. }] = &decode(&line)[..] else {
        panic!("no misfit");
    };
    assert!(start.len() < 300, "{}", start.len());
}

#[test]
fn a_retry_that_is_far_away_tells_how_far() {
    let line = r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":4,"retry_delay_ms":2892000,"error_status":429,"error":"rate_limit"}"#;
    let [Signal::ProviderRetry { trouble, delay }] = &decode(line)[..] else {
        panic!("no retry");
    };
    assert_eq!(delay.as_secs(), 2892);
    let trouble = trouble.as_ref().unwrap();
    assert_eq!(trouble.kind, TroubleKind::Limited);
    let left = trouble.resets_at.unwrap() - Utc::now();
    assert!((2800..=2892).contains(&left.num_seconds()), "{left}");
}

#[test]
fn why_the_program_did_not_start_is_said() {
    let line = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"startup_failure_reason":"config_file_invalid","errors":["~/.claude.json is no JSON"],"total_cost_usd":0}"#;
    let result = result(line);
    assert_eq!(
        result.text,
        "~/.claude.json is no JSON (Claude Code did not start: config_file_invalid)"
    );
    assert!(result.is_error && result.trouble.is_none());
}

#[test]
fn tool_calls_that_were_not_allowed_are_named() {
    let line = r#"{"type":"result","result":"done","usage":{"output_tokens":1},"permission_denials":[{"tool_name":"Bash","tool_use_id":"a","tool_input":{"command":"touch .git/config"}},{"tool_name":"Write","tool_input":{"file_path":"/tmp/sample/repository/.npmrc","content":""}},{"tool_name":"Task"}]}"#;
    assert_eq!(
        result(line).denied,
        ["Bash: touch .git/config", "Write: .npmrc", "Task"]
    );
}
