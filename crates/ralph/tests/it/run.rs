//! The loop: one fresh agent per iteration, and its events.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use ralph_contract::{Event, Line, parse_line};

use crate::world::{TWO_TASKS, World, assert_transcript};

const DOES_ONE_TASK: &str = r#"
cat > /dev/null
echo "I am at work"
work "$(git rev-list --count HEAD)"
tick
"#;

#[test]
fn each_task_gets_an_agent_of_its_own_until_all_are_done() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", DOES_ONE_TASK);
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"commit","hash":"[hash]","message":"Add 1"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"commit","hash":"[hash]","message":"Add 2"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
    assert_eq!(world.read("SPEC.md"), TWO_TASKS.replace("[ ]", "[x]"));
}

#[test]
fn human_output_has_no_colours_without_a_terminal() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", DOES_ONE_TASK);
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &[])), @r"
    SPEC.md: 2 tasks, command

    Iteration 1: Add a hello function
      | I am at work
      commit [hash] Add 1
      done   Add a hello function
      [seconds]

    Iteration 2: Add a goodbye function
      | I am at work
      commit [hash] Add 2
      done   Add a goodbye function
      [seconds]

    Complete: 2 tasks done in [seconds]
    --- exit code 0
    ");
}

#[test]
fn commits_and_ticked_boxes_are_reported_while_the_agent_works() {
    let world = World::new("# Greetings\n\n- [ ] Only task\n");
    let agent = world.script(
        "agent",
        r#"
        work one
        await "$OUTSIDE/commit-was-reported"
        tick
        await "$OUTSIDE/task-was-reported"
        "#,
    );
    let mut command = world.run_command(&agent, &["--headless", "--watch-period", "0.02"]);
    let mut ralph = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut reported = Vec::new();
    for line in BufReader::new(ralph.stdout.take().unwrap()).lines() {
        let Line::Event(event) = parse_line(&line.unwrap()) else {
            panic!("not an event");
        };
        let marker = if let Event::Commit(commit) = &event {
            assert_eq!(commit.message, "Add one");
            "commit-was-reported"
        } else if let Event::TaskComplete(_) = &event {
            "task-was-reported"
        } else {
            continue;
        };
        reported.push(marker);
        fs::write(world.outside(marker), "").unwrap();
    }
    assert_eq!(ralph.wait().unwrap().code(), Some(0));
    assert_eq!(reported, ["commit-was-reported", "task-was-reported"]);
}

#[test]
fn every_new_commit_is_reported_once_and_in_order() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"
        if [ ! -e one.txt ]; then
            work one
            git checkout -q -b elsewhere
            work two
        else
            # Commits that were reported before are rewritten and merged: only new ones are reported.
            git checkout -q main
            work three
            git commit -q --amend -m "Add three, better"
            git merge -q --no-ff -m "Merge elsewhere" elsewhere
            tick
            tick
        fi
        "#,
    );
    let output = world.run_command(&agent, &["--headless"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let commits: Vec<_> = stdout
        .lines()
        .filter_map(|line| {
            let Line::Event(Event::Commit(commit)) = parse_line(line) else {
                return None;
            };
            Some(commit.message)
        })
        .collect();
    assert_eq!(
        commits,
        ["Add one", "Add two", "Add three, better", "Merge elsewhere"]
    );
}

#[test]
fn a_checklist_that_is_done_needs_no_agent() {
    let world = World::new(&TWO_TASKS.replace("[ ]", "[X]"));
    let missing = world.outside("no-such-program");
    assert_transcript!(world.transcript(&mut world.run_command(&missing, &["--headless"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
}

#[test]
fn the_checklist_may_be_in_the_directory_dot_ai() {
    let world = World::new(TWO_TASKS);
    fs::create_dir(world.path(".ai")).unwrap();
    fs::rename(world.path("SPEC.md"), world.path(".ai/SPEC.md")).unwrap();
    let agent = world.script(
        "agent",
        r#"
        grep -qxF 'The checklist is the file `.ai/SPEC.md`.'
        tick .ai/SPEC.md
        "#,
    );
    let output = world.run_command(&agent, &["--headless"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
    assert_eq!(world.read(".ai/SPEC.md"), TWO_TASKS.replace("[ ]", "[x]"));
}

#[test]
fn the_prompt_contains_the_learnings_of_earlier_runs() {
    let world = World::new(TWO_TASKS);
    world.write(".ai/learnings.md", "- Gotcha: the build needs make\n");
    let agent = world.script(
        "agent",
        r#"
        cat > "$OUTSIDE/prompt"
        grep -qxF '> - Gotcha: the build needs make' "$OUTSIDE/prompt"
        tick
        tick
        "#,
    );
    let output = world.run_command(&agent, &["--headless"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
}

#[test]
fn an_agent_that_does_not_read_its_prompt_is_no_error() {
    let world = World::new(TWO_TASKS);
    // More than fits into a pipe.
    let details: String = (0..3_000)
        .map(|n| format!("  - Deliverable {n} of many\n"))
        .collect();
    world.write("SPEC.md", &format!("# Title\n\n- [ ] Task\n{details}"));
    let agent = world.script("agent", "tick");
    let output = world.run_command(&agent, &["--headless"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
}

#[test]
fn an_agent_sees_no_variable_that_it_was_not_given() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "env > \"$OUTSIDE/env\"; tick; tick");
    let mut command = world.run_command(
        &agent,
        &["--headless", "--pass-env", "PASSED", "--pass-env", "NOT_SET"],
    );
    let variables = [
        "PASSED",
        "DATABASE_URL",
        "GITHUB_TOKEN",
        "ANTHROPIC_API_KEY",
        "CLAUDE_CODE_OAUTH_TOKEN",
    ];
    command.envs(variables.map(|name| (name, "value")));
    command.env("GIT_DIR", world.path(".git"));
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let environment = fs::read_to_string(world.outside("env")).unwrap();
    let mut names: Vec<_> = environment
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .collect();
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    insta::assert_snapshot!(names.join(" "), @"ANTHROPIC_API_KEY CLAUDE_CODE_OAUTH_TOKEN GIT_AUTHOR_DATE GIT_AUTHOR_EMAIL GIT_AUTHOR_NAME GIT_COMMITTER_DATE GIT_COMMITTER_EMAIL GIT_COMMITTER_NAME HOME LC_ALL PASSED PATH RALPH_TASK TZ");
}

#[test]
fn an_agent_finds_the_number_of_its_task() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        "printf '%s ' \"$RALPH_TASK\" >> \"$OUTSIDE/tasks\"; tick",
    );
    let mut command = world.run_command(&agent, &["--headless"]);
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    assert_eq!(fs::read_to_string(world.outside("tasks")).unwrap(), "1 2 ");
}

#[test]
fn each_prompt_has_the_instructions_of_the_caller() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "cat >> \"$OUTSIDE/prompts\"; tick");
    fs::write(
        world.outside("instructions.md"),
        "Write short sentences.\n\n# Not a heading\n",
    )
    .unwrap();
    let file = world.outside("instructions.md");
    let mut command = world.run_command(&agent, &["--headless", "--instructions", file.to_str().unwrap()]);
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let prompts = fs::read_to_string(world.outside("prompts")).unwrap();
    let expected = "not what to do:\n\n> Write short sentences.\n>\n> # Not a heading\n";
    assert_eq!(prompts.matches(expected).count(), 2, "{prompts}");
}

#[test]
fn secrets_are_redacted() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"
        work one
        git commit -q --amend -m "Use $ANTHROPIC_API_KEY"
        mkdir -p .ai
        echo "the key $ANTHROPIC_API_KEY does not work" > .ai/stuck.md
        "#,
    );
    let mut command = world.run_command(&agent, &["--headless"]);
    command.env("ANTHROPIC_API_KEY", "sk-ant-0123456789");
    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"commit","hash":"[hash]","message":"Use [redacted]"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"stuck","reason":"the key [redacted] does not work","iterations_without_progress":0}
    --- exit code 1
    "#);
}
