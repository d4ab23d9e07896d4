//! A ticked box counts only if its work is committed, on a branch that keeps what was there.

use std::fs;

use crate::world::{TWO_TASKS, World, assert_transcript};

#[test]
fn a_tick_with_uncommitted_files_does_not_count_and_the_next_prompt_names_them() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"
        cat > "$OUTSIDE/prompt"
        if [ ! -e "$OUTSIDE/first" ]; then
            touch "$OUTSIDE/first"
            echo changed > README.md
            echo new > "name with spaces.txt"
            mkdir -p .ai __pycache__; echo "- Pattern: none" > .ai/new-learnings.md; touch __pycache__/a.pyc
            tick
        else
            cp "$OUTSIDE/prompt" "$OUTSIDE/prompt-2"
            git add README.md "name with spaces.txt"; git commit -qm "Add hello"
            tick; tick
        fi
        "#,
    );
    // The repository keeps neither of them out by itself.
    fs::write(world.path(".git/info/exclude"), "").unwrap();
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"uncommitted_changes","message":"a box was ticked, and files are not committed: README.md, name with spaces.txt; open again: Add a hello function","files":["README.md","name with spaces.txt"]}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"iteration","n":2,"phase":"starting"}
    {"event":"iteration","n":2,"phase":"running"}
    {"event":"iteration","n":2,"phase":"finishing"}
    {"event":"commit","hash":"[hash]","message":"Add hello"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":2,"duration_ms":[ms]}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
    let prompt = fs::read_to_string(world.outside("prompt-2")).unwrap();
    for line in [
        "\n> The box of the task was ticked, but these files are not committed:\n",
        "\n> - README.md\n> - name with spaces.txt\n",
    ] {
        assert!(prompt.contains(line), "{prompt}");
    }
}

#[test]
fn an_agent_that_never_commits_is_stuck_with_the_files_it_left() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "echo goodbye > farewell.txt; tick; tick");
    let transcript =
        world.transcript(&mut world.run_command(&agent, &["--headless", "--stuck-threshold", "2"]));
    let end = transcript.lines().rev().take(2).collect::<Vec<_>>();
    assert_eq!(
        end,
        [
            "--- exit code 1",
            r#"{"event":"stuck","reason":"2 iterations in a row ticked no box and made no commit; in the last one a box was ticked, and files are not committed: farewell.txt","iterations_without_progress":2}"#,
        ]
    );
    assert!(!transcript.contains("task_complete"), "{transcript}");
    assert_eq!(world.read("SPEC.md"), TWO_TASKS);
}

#[test]
fn while_the_agent_works_a_tick_is_reported_once_its_files_are_committed() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"
        echo hello > hello.txt; tick
        # Long enough for several reads of the checklist.
        sleep 0.5
        git add hello.txt; git commit -qm "Add hello"
        while ! grep -q task_complete "$OUTSIDE/events"; do sleep 0.02; done
        tick
        "#,
    );
    let mut command = world.run_command(&agent, &["--headless", "--watch-period", "0.02"]);
    let events = world.outside("events");
    let status = command
        .stdout(fs::File::create(&events).unwrap())
        .status()
        .unwrap();
    let events = fs::read_to_string(events).unwrap();
    assert_eq!(status.code(), Some(0), "{events}");
    let position = |text: &str| events.find(text).unwrap();
    assert!(position("Add hello\"}") < position("task_complete"), "{events}");
    assert!(!events.contains("uncommitted_changes"), "{events}");
}

/// Plays an agent that does the first task, one that loses its commit, and one that gets it back.
fn after_losing(how: &str) -> (World, String) {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        &format!(
            r#"
            cat > "$OUTSIDE/prompt"
            echo x >> "$OUTSIDE/runs"
            case $(wc -l < "$OUTSIDE/runs") in
            1) work hello; tick ;;
            2) {how}; work goodbye; tick ;;
            *) kept=$(grep -o '[0-9a-f]\{{40\}}' "$OUTSIDE/prompt" | head -n 1)
               git merge -q --no-edit "$kept"; tick ;;
            esac
            "#
        ),
    );
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    (world, transcript)
}

#[test]
fn commits_of_earlier_iterations_are_missed_and_the_next_prompt_names_them() {
    for how in [
        "git reset -q --hard HEAD~1",
        "git checkout -q -b other HEAD~1",
        "git checkout -q --detach HEAD~1",
        "git checkout -q --orphan fresh; git rm -rqf .",
        "git commit -q --amend -m 'Add hello, again'",
    ] {
        let (world, transcript) = after_losing(how);
        assert!(
            transcript.ends_with("--- exit code 0\n") || how.contains("orphan"),
            "{how}: {transcript}"
        );
        assert!(
            transcript.contains(r#""type":"commits_missing""#),
            "{how}: {transcript}"
        );
        if !how.contains("orphan") {
            let log = world.repository.log("HEAD").unwrap();
            let subjects: Vec<_> = log.iter().map(|commit| commit.subject.as_str()).collect();
            assert!(
                subjects.contains(&"Add hello") && subjects.contains(&"Add goodbye"),
                "{how}: {subjects:?}"
            );
        }
        let second = transcript.split(r#""n":3,"phase":"starting""#).next().unwrap();
        assert!(
            !second.contains(r#""task_complete","index":1"#),
            "{how}: {second}"
        );
    }
}

#[test]
fn a_commit_of_the_same_iteration_may_be_amended() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        "work hello; git commit -q --amend -m 'Add hello, better'; tick; tick",
    );
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
    assert!(!transcript.contains("warning"), "{transcript}");
}

#[test]
fn commits_after_the_one_to_keep_may_be_replaced() {
    let world = World::new(TWO_TASKS);
    let kept = world.repository.head().unwrap();
    // The commit of an earlier run, which the server refused.
    let files = [("refused.txt", "refused\n")];
    world
        .repository
        .commit_files("Add what is refused", &files)
        .unwrap();
    let agent = world.script(
        "agent",
        &format!("git reset -q --hard {kept}; work hello; tick; work goodbye; tick"),
    );

    let refused = world.transcript(&mut world.run_command(&agent, &["--headless", "-n", "1"]));

    assert!(refused.contains(r#""type":"commits_missing""#), "{refused}");

    let replaced =
        world.transcript(&mut world.run_command(&agent, &["--headless", "-n", "1", "--keep-commit", &kept]));

    assert!(replaced.ends_with("--- exit code 0\n"), "{replaced}");
    assert!(!replaced.contains("warning"), "{replaced}");
}

#[test]
fn a_box_that_an_agent_opens_again_is_reported() {
    let world = World::new(&TWO_TASKS.replacen("[ ]", "[x]", 1));
    let agent = world.script(
        "agent",
        r#"
        if [ ! -e "$OUTSIDE/first" ]; then
            touch "$OUTSIDE/first"; sed -i 's/\[x\]/[ ]/' SPEC.md
        else
            tick
        fi
        "#,
    );
    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));
    assert!(
        transcript.contains(r#"{"event":"task_reopened","index":0,"text":"Add a hello function"}"#),
        "{transcript}"
    );
    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
}

#[test]
fn the_files_of_a_run_are_in_the_directory_that_the_caller_names() {
    let world = World::new(TWO_TASKS);
    fs::create_dir(world.path(".run")).unwrap();
    fs::rename(world.path("SPEC.md"), world.path(".run/SPEC.md")).unwrap();
    fs::write(world.path(".git/info/exclude"), "").unwrap();
    world.write(".run/correction.md", "The push was refused.\n");
    let agent = world.script(
        "agent",
        r##"
        cat > "$OUTSIDE/prompt"
        if [ ! -e "$OUTSIDE/first" ]; then
            touch "$OUTSIDE/first"
            grep -qxF '> The push was refused.' "$OUTSIDE/prompt"
            # Files of the project, whatever their names.
            mkdir .ai; echo "# Rules" > .ai/rules.md; echo "# Theirs" > SPEC.md
            git add SPEC.md .ai; git commit -qm "Add a spec"
            tick .run/SPEC.md
        else
            if grep -q refused "$OUTSIDE/prompt"; then exit 9; fi
            echo "There is no database." > .run/stuck.md
        fi
        "##,
    );
    let arguments = ["--headless", "--spec", ".run/SPEC.md", "--run-dir", ".run"];
    let transcript = world.transcript(&mut world.run_command(&agent, &arguments));
    assert!(
        transcript.contains(r#""reason":"There is no database.""#),
        "{transcript}"
    );
    assert!(
        transcript.contains(r#"{"event":"task_complete","index":0"#),
        "{transcript}"
    );
    assert!(
        world.read(".run/SPEC.md").contains("[x] Add a hello"),
        "{transcript}"
    );
    for wrong in ["", "/tmp", "..", "a/../..", "."] {
        let output = world.run_command(&agent, &["--run-dir", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{wrong}");
    }
}
