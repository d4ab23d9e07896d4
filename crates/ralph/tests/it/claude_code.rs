//! End to end with the real Claude Code CLI; only the model is a stand-in.

use std::process::Command;

use ralph_contract::pre_edit::PreEdit;
use ralph_contract::{Event, IterationDone, Line, ToolKind, WarningKind, parse_line};
use whim_testkit::anthropic::{AgentScript, Anthropic, ApiError, Coder, Fault, Solution};
use whim_testkit::tools;

use crate::world::{TWO_TASKS, World};

fn run(world: &World, anthropic: &Anthropic, arguments: &[&str]) -> Command {
    let mut command = world.ralph(&["run", "--headless", "--claude-bin"]);
    command
        .arg(tools::claude().unwrap())
        .args(arguments)
        .env("ANTHROPIC_BASE_URL", anthropic.url())
        .env("ANTHROPIC_API_KEY", anthropic.api_key());
    command
}

/// Runs to the end and returns the events and the exit code.
fn events(world: &World, command: &mut Command) -> (Vec<Event>, Option<i32>) {
    let output = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let events = stdout.lines().map(|line| {
        let Line::Event(event) = parse_line(line) else {
            panic!("{line} in {}", world.describe(&output));
        };
        event
    });
    (events.collect(), output.status.code())
}

#[test]
fn claude_code_does_the_tasks_of_a_checklist() {
    let world = World::new(TWO_TASKS);
    let anthropic = Anthropic::start().unwrap();
    let coder = Coder::default()
        .solution(Solution::for_task("hello").file("hello.txt", "hello\n"))
        .solution(
            Solution::for_task("goodbye")
                .file("goodbye.txt", "goodbye\n")
                .command("setsid sleep 300 &"),
        )
        .test_command("test -e hello.txt");
    anthropic.set_coder(coder);
    let (events, code) = events(&world, &mut run(&world, &anthropic, &[]));
    assert_eq!(code, Some(0), "{events:#?}");
    assert_eq!(anthropic.violations(), [""; 0]);
    assert_eq!(world.read("SPEC.md"), TWO_TASKS.replace("[ ]", "[x]"));

    let log = world.repository.log("HEAD").unwrap();
    assert_eq!(log.len(), 3);
    let mut committed: Vec<_> = log
        .iter()
        .rev()
        .skip(1)
        .map(|commit| commit.hash.clone())
        .collect();
    let mut done = Vec::new();
    let mut written = Vec::new();
    let mut iterations = 0;
    let (mut called, mut returned, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    for event in &events {
        if let Event::Tool(tool) = event {
            assert!(tool.name.is_some() && tool.input.is_some(), "{tool:?}");
            called.extend(tool.id.as_deref());
        }
        if let Event::ToolResult(result) = event {
            assert!(called.contains(&result.id.as_str()), "{result:?} before its call");
            returned.push(result.id.as_str());
        }
        if let Event::Message(message) = event {
            messages.push(message.text.as_str());
        }
        if let Event::Commit(commit) = event {
            assert_eq!(commit.hash, committed.remove(0));
        }
        if let Event::TaskComplete(task) = event {
            done.push(task.text.as_str());
        }
        if let Event::Tool(tool) = event
            && tool.kind == ToolKind::Write
        {
            written.extend(tool.path.as_deref());
        }
        if let Event::IterationDone(IterationDone { stats, .. }) = event {
            iterations += 1;
            assert!(
                stats.tools >= 4 && stats.commands >= 1 && stats.writes >= 2,
                "{stats:?}"
            );
            assert!(
                stats.tokens_in > 0 && stats.tokens_out > 0 && stats.cost_usd > 0.0,
                "{stats:?}"
            );
        }
        if let Event::Warning(warning) = event {
            assert_eq!(warning.kind, WarningKind::LeftoverProcesses, "{warning:?}");
        }
    }
    called.sort_unstable();
    returned.sort_unstable();
    assert_eq!(returned, called);
    assert!(messages.len() >= 2, "{messages:?}");
    assert_eq!(committed, [""; 0]);
    assert_eq!(done, ["Add a hello function", "Add a goodbye function"]);
    assert_eq!(written, ["hello.txt", "SPEC.md", "goodbye.txt", "SPEC.md"]);
    assert_eq!(iterations, 2);
}

#[test]
fn claude_code_without_a_model_ends_the_run_at_the_first_attempt() {
    let world = World::new(TWO_TASKS);
    let anthropic = Anthropic::start().unwrap();
    anthropic.when_agent_reads("", AgentScript::Fault(Fault::Error(ApiError::always(529))));
    let mut command = run(&world, &anthropic, &[]);
    command.env("CLAUDE_CODE_MAX_RETRIES", "1");
    let (events, code) = events(&world, &mut command);
    assert_eq!(code, Some(3), "{events:#?}");
    let iterations = events
        .iter()
        .filter(|event| matches!(event, Event::IterationDone(_)))
        .count();
    assert_eq!(iterations, 1, "{events:#?}");
    let [.., Event::Warning(warning), Event::Failed(failed)] = &events[..] else {
        panic!("{events:#?}");
    };
    assert_eq!(warning.kind, WarningKind::ProviderUnavailable);
    assert!(failed.error.contains("529"), "{failed:?}");
}

#[test]
fn claude_code_that_writes_stuck_md_ends_the_run_with_its_reason() {
    let world = World::new(TWO_TASKS);
    let anthropic = Anthropic::start().unwrap();
    anthropic.when_agent_reads("", AgentScript::GivesUp("There is no database.".to_owned()));
    let (events, code) = events(&world, &mut run(&world, &anthropic, &[]));
    assert_eq!(code, Some(1), "{events:#?}");
    let Some(Event::Stuck(stuck)) = events.last() else {
        panic!("{events:#?}");
    };
    assert_eq!(stuck.reason, "There is no database.");
}

#[test]
fn claude_code_runs_the_hook_before_each_edit_and_reads_the_reason_of_a_refusal() {
    let world = World::new(TWO_TASKS);
    let anthropic = Anthropic::start().unwrap();
    anthropic.set_coder(Coder::default().solution(Solution::for_task("").file("hello.txt", "hello\n")));
    // Refuses the first edit of hello.txt; its arguments would be worth something to a shell.
    let hook = world.script(
        "ask",
        r#"
        [ "$1" = "it's \$HOME; exit 2" ] || exit 2
        question=$(cat)
        printf '%s\n' "$question" >> "$OUTSIDE/questions"
        case $question in *hello.txt*) ;; *) exit 0 ;; esac
        mkdir "$OUTSIDE/asked" 2> /dev/null || exit 0
        echo "Another item has hello.txt: do something else first" >&2
        exit 2
        "#,
    );
    let mut command = run(&world, &anthropic, &["--pre-edit-hook"]);
    command
        .arg(&hook)
        .args(["--pre-edit-hook", "it's $HOME; exit 2", "--pre-edit-limit", "20"]);
    let (events, code) = events(&world, &mut command);
    assert_eq!(code, Some(0), "{events:#?}");
    assert_eq!(anthropic.violations(), [""; 0]);
    let was_reported = anthropic.requests().into_iter().any(|request| {
        request
            .text
            .contains("Another item has hello.txt: do something else first")
    });
    assert!(was_reported, "the agent did not get the reason");
    let questions = std::fs::read_to_string(world.outside("questions")).unwrap();
    let asked: Vec<_> = questions
        .lines()
        .map(|line| PreEdit::parse(line.as_bytes()).unwrap().path())
        .collect();
    let directory = world.repository.directory().canonicalize().unwrap();
    let expected = ["hello.txt", "hello.txt", "SPEC.md", "hello.txt", "SPEC.md"];
    assert_eq!(asked, expected.map(|name| directory.join(name)));
}
