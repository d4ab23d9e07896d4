//! Every event has the line that the contract documents.

use insta::assert_snapshot;
use ralph_contract::{
    Commit, Complete, Event, Failed, Iteration, IterationDone, IterationPhase, IterationStats, Line, Message,
    MessageRole, Review, ReviewComplete, ReviewFailed, ReviewFinding, ReviewSeverity, SpecGenerationComplete,
    SpecGenerationFailed, Started, Stuck, TaskComplete, TaskReopened, Tool, ToolKind, ToolResult, Warning,
    WarningKind, parse_line, to_line,
};

/// At least one event of each kind, with every field and every value of an enumeration. No field is left to a default, so
/// that a new one has to be added here.
pub(crate) fn one_of_each() -> Vec<Event> {
    let stats = IterationStats {
        tools: 6,
        reads: 3,
        writes: 2,
        commands: 1,
        tokens_in: 1200,
        tokens_out: 340,
        cache_read: 9000,
        cache_write: 500,
        cost_usd: 0.0125,
    };
    vec![
        Event::Started(Started {
            spec: "SPEC.md".into(),
            tasks: 3,
            model: Some("sonnet".into()),
            harness: Some("claude".into()),
            timestamp: "2026-01-02T03:04:05Z".into(),
        }),
        Event::Iteration(Iteration {
            n: 1,
            phase: IterationPhase::Starting,
            notes_bytes: 120,
        }),
        Event::Iteration(Iteration {
            n: 1,
            phase: IterationPhase::Running,
            notes_bytes: 0,
        }),
        Event::Iteration(Iteration {
            n: 1,
            phase: IterationPhase::Finishing,
            notes_bytes: 0,
        }),
        Event::Message(Message {
            role: MessageRole::User,
            text: "Find the tests".into(),
            truncated_bytes: 7,
            parent_tool_id: Some("toolu_1".into()),
        }),
        Event::Message(Message {
            role: MessageRole::Assistant,
            text: "They\nare here".into(),
            truncated_bytes: 0,
            parent_tool_id: None,
        }),
        Event::Tool(Tool {
            kind: ToolKind::Read,
            path: Some("src/index.ts".into()),
            digest: None,
            id: None,
            name: None,
            input: None,
            truncated_bytes: 0,
            parent_tool_id: None,
        }),
        Event::Tool(Tool {
            kind: ToolKind::Write,
            path: Some("src/index.ts".into()),
            digest: None,
            id: Some("toolu_2".into()),
            name: Some("Edit".into()),
            input: serde_json::from_str(r#"{"new_string":"b","old_string":"a"}"#).ok(),
            truncated_bytes: 9,
            parent_tool_id: Some("toolu_1".into()),
        }),
        Event::Tool(Tool {
            kind: ToolKind::Bash,
            path: None,
            digest: Some("00f1a2b3c4d5e6f7".into()),
            id: None,
            name: None,
            input: None,
            truncated_bytes: 0,
            parent_tool_id: None,
        }),
        Event::ToolResult(ToolResult {
            id: "toolu_2".into(),
            ok: false,
            output: "no such file".into(),
            truncated_bytes: 5,
            parent_tool_id: Some("toolu_1".into()),
        }),
        Event::Commit(Commit {
            hash: "8f3c2a1".into(),
            message: "Add login".into(),
        }),
        Event::TaskComplete(TaskComplete {
            index: 0,
            text: "Add login".into(),
        }),
        Event::TaskReopened(TaskReopened {
            index: 0,
            text: "Add login".into(),
        }),
        Event::IterationDone(IterationDone {
            n: 1,
            duration_ms: 4200,
            stats,
        }),
        Event::Warning(Warning {
            kind: WarningKind::TaskRestored,
            message: "1 task was put back".into(),
            files: vec!["SPEC.md".into()],
            resets_at: None,
        }),
        Event::Warning(Warning {
            kind: WarningKind::ProviderLimited,
            message: "429\nretry later".into(),
            files: Vec::new(),
            resets_at: Some("2026-11-20T15:52:42Z".into()),
        }),
        Event::Stuck(Stuck {
            reason: "no database".into(),
            iterations_without_progress: 3,
        }),
        Event::Complete(Complete {
            tasks_done: 3,
            total_duration_ms: 61_000,
        }),
        Event::Failed(Failed {
            error: "interrupted".into(),
        }),
        Event::SpecGenerationStarted,
        Event::SpecGenerationComplete(SpecGenerationComplete {
            spec_path: "SPEC.md".into(),
            task_count: 2,
            validation_passed: false,
            violations: vec!["line 3: shell command".into()],
        }),
        Event::SpecGenerationFailed(SpecGenerationFailed {
            error: "no answer".into(),
        }),
        Event::ReviewComplete(ReviewComplete {
            review: Review {
                description: "Adds a login.".into(),
                summary: "One defect.".into(),
                findings: vec![ReviewFinding {
                    severity: ReviewSeverity::Error,
                    task: Some(1),
                    file: Some("src/index.ts".into()),
                    line: Some(3),
                    message: "No timeout".into(),
                    suggestion: Some("Set one".into()),
                }],
            },
            duration_ms: 9000,
            stats: IterationStats::default(),
        }),
        Event::ReviewFailed(ReviewFailed {
            error: "no answer".into(),
            stats: IterationStats::default(),
        }),
    ]
}

#[test]
fn events_are_written_as_documented() {
    let lines: Vec<String> = one_of_each().iter().map(to_line).collect();
    assert_snapshot!(lines.join("\n"), @r#"
    {"event":"started","spec":"SPEC.md","tasks":3,"model":"sonnet","harness":"claude","timestamp":"2026-01-02T03:04:05Z"}
    {"event":"iteration","n":1,"phase":"starting","notes_bytes":120}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"message","role":"user","text":"Find the tests","truncated_bytes":7,"parent_tool_id":"toolu_1"}
    {"event":"message","role":"assistant","text":"They\nare here"}
    {"event":"tool","type":"read","path":"src/index.ts"}
    {"event":"tool","type":"write","path":"src/index.ts","id":"toolu_2","name":"Edit","input":{"new_string":"b","old_string":"a"},"truncated_bytes":9,"parent_tool_id":"toolu_1"}
    {"event":"tool","type":"bash","digest":"00f1a2b3c4d5e6f7"}
    {"event":"tool_result","id":"toolu_2","ok":false,"output":"no such file","truncated_bytes":5,"parent_tool_id":"toolu_1"}
    {"event":"commit","hash":"8f3c2a1","message":"Add login"}
    {"event":"task_complete","index":0,"text":"Add login"}
    {"event":"task_reopened","index":0,"text":"Add login"}
    {"event":"iteration_done","n":1,"duration_ms":4200,"stats":{"tools":6,"reads":3,"writes":2,"commands":1,"tokens":{"in":1200,"out":340,"cache_read":9000,"cache_write":500},"cost_usd":0.0125}}
    {"event":"warning","type":"task_restored","message":"1 task was put back","files":["SPEC.md"]}
    {"event":"warning","type":"provider_limited","message":"429\nretry later","resets_at":"2026-11-20T15:52:42Z"}
    {"event":"stuck","reason":"no database","iterations_without_progress":3}
    {"event":"complete","tasks_done":3,"total_duration_ms":61000}
    {"event":"failed","error":"interrupted"}
    {"event":"spec_generation_started"}
    {"event":"spec_generation_complete","specPath":"SPEC.md","taskCount":2,"validationPassed":false,"violations":["line 3: shell command"]}
    {"event":"spec_generation_failed","error":"no answer"}
    {"event":"review_complete","review":{"description":"Adds a login.","summary":"One defect.","findings":[{"severity":"error","task":1,"file":"src/index.ts","line":3,"message":"No timeout","suggestion":"Set one"}]},"duration_ms":9000,"stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":0,"out":0,"cache_read":0,"cache_write":0},"cost_usd":0.0}}
    {"event":"review_failed","error":"no answer","stats":{"tools":0,"reads":0,"writes":0,"commands":0,"tokens":{"in":0,"out":0,"cache_read":0,"cache_write":0},"cost_usd":0.0}}
    "#);
}

#[test]
fn every_event_is_read_back_as_it_was_written() {
    for event in one_of_each() {
        let line = to_line(&event);
        assert!(!line.contains('\n'), "{line:?} is one line");
        assert_eq!(parse_line(&line), Line::Event(event));
    }
}

#[test]
fn the_list_of_names_is_the_list_of_events() {
    let mut names: Vec<&str> = one_of_each().iter().map(Event::name).collect();
    names.dedup();
    assert_eq!(names, Event::NAMES);
    for event in one_of_each() {
        let value: serde_json::Value = serde_json::from_str(&to_line(&event)).unwrap();
        assert_eq!(value["event"], event.name());
    }
}

#[test]
fn each_type_of_warning_keeps_its_name() {
    let other = WarningKind::Other("moon_phase".into());
    for kind in WarningKind::KNOWN.into_iter().chain([other]) {
        let name = serde_json::to_value(&kind).unwrap();
        assert_eq!(name, kind.as_str());
        assert_eq!(serde_json::from_value::<WarningKind>(name).unwrap(), kind);
    }
}

#[test]
fn statistics_that_a_harness_does_not_report_count_as_zero() {
    for line in [
        r#"{"event":"iteration_done","n":2,"duration_ms":5}"#,
        r#"{"event":"iteration_done","n":2,"duration_ms":5,"stats":{}}"#,
        r#"{"event":"iteration_done","n":2,"duration_ms":5,"stats":{"tokens":{},"cost_usd":null,"reads":null}}"#,
        r#"{"event":"iteration_done","n":2,"duration_ms":5,"stats":{"tokens":null}}"#,
    ] {
        let expected = IterationDone {
            n: 2,
            duration_ms: 5,
            stats: IterationStats::default(),
        };
        assert_eq!(
            parse_line(line),
            Line::Event(Event::IterationDone(expected)),
            "{line}"
        );
    }
}

#[test]
fn a_cost_that_is_no_number_does_not_spoil_the_event() {
    let stats = IterationStats {
        tools: 1,
        cost_usd: f64::NAN,
        ..IterationStats::default()
    };
    let line = to_line(&Event::IterationDone(IterationDone {
        n: 1,
        duration_ms: 1,
        stats,
    }));
    let expected = IterationStats {
        cost_usd: 0.0,
        ..stats
    };
    assert_eq!(
        parse_line(&line),
        Line::Event(Event::IterationDone(IterationDone {
            n: 1,
            duration_ms: 1,
            stats: expected
        }))
    );
}

#[test]
fn statistics_add_up_and_do_not_overflow() {
    let one = IterationStats {
        tools: 1,
        reads: 2,
        writes: 3,
        commands: 4,
        tokens_in: 5,
        tokens_out: 6,
        cache_read: 7,
        cache_write: u64::MAX,
        cost_usd: 0.25,
    };
    let sum: IterationStats = [one, one].into_iter().sum();
    let expected = IterationStats {
        tools: 2,
        reads: 4,
        writes: 6,
        commands: 8,
        tokens_in: 10,
        tokens_out: 12,
        cache_read: 14,
        cache_write: u64::MAX,
        cost_usd: 0.5,
    };
    assert_eq!(sum, expected);
    assert_eq!(one + one, expected);
}
