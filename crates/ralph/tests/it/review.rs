//! `ralph review`: an answer of an agent becomes a review, or is refused.

use std::fs;

use crate::world::{TWO_TASKS, World, assert_transcript};

const DIFF: &str =
    "diff --git a/hello.txt b/hello.txt\n--- /dev/null\n+++ b/hello.txt\n@@ -0,0 +1 @@\n+hello\n";

fn world() -> World {
    let world = World::new(TWO_TASKS);
    fs::write(world.outside("change.diff"), DIFF).unwrap();
    world
}

fn arguments(world: &World) -> [String; 3] {
    let diff = world.outside("change.diff").display().to_string();
    ["review".to_owned(), "--diff".to_owned(), diff]
}

#[test]
fn an_answer_is_a_review_with_the_most_severe_findings_first() {
    let world = world();
    let agent = world.script(
        "agent",
        r##"
        cat > "$OUTSIDE/prompt"
        cat <<'ANSWER'
Here it is:

```json
{"description":"Adds a greeting.","summary":"The farewell is missing.","findings":[
  {"severity":"note","file":"hello.txt","line":1,"message":"No capital letter"},
  {"severity":"error","task":2,"line":7,"message":" There is no goodbye ","suggestion":""}]}
```
ANSWER
        "##,
    );
    let mut command = world.ralph(&[]);
    command
        .args(arguments(&world))
        .args(["--headless", "--harness", "command", "--"])
        .arg(&agent);

    assert_transcript!(world.transcript(&mut command), @r#"
    {"event":"review_complete","review":{"description":"Adds a greeting.","summary":"The farewell is missing.","findings":[{"severity":"error","task":2,"message":"There is no goodbye"},{"severity":"note","file":"hello.txt","line":1,"message":"No capital letter"}]},"duration_ms":[ms]}
    --- exit code 0
    "#);
    let prompt = fs::read_to_string(world.outside("prompt")).unwrap();
    for line in ["\n> - [ ] Add a goodbye function\n", "\n> +hello\n"] {
        assert!(prompt.contains(line), "{prompt}");
    }
}

#[test]
fn claude_code_is_held_to_the_schema_and_cannot_change_anything() {
    let world = world();
    let claude = world.fake_claude(
        r##"
        init
        printf '%s\n' "$@" > "$OUTSIDE/arguments"
        printf '%s\n' '{"type":"result","result":"{\"description\":\"Adds a greeting.\",\"summary\":\"Good.\",\"findings\":[{\"severity\":\"warning\",\"file\":\"hello.txt\",\"message\":\"No\\u001b[2J test\"}]}","total_cost_usd":0.25,"usage":{"output_tokens":9}}'
        "##,
    );
    let mut command = world.ralph(&[]);
    command.args(arguments(&world)).arg("--claude-bin").arg(&claude);

    assert_transcript!(world.transcript(&mut command), @r"
    Review: Good.
      warning: hello.txt: No�[2J test
    --- exit code 0
    ");
    let arguments = fs::read_to_string(world.outside("arguments")).unwrap();
    assert!(arguments.contains("--tools\nGlob,Grep,Read\n"), "{arguments}");
    assert!(arguments.contains("--json-schema\n{\n"), "{arguments}");
}

#[test]
fn an_answer_that_is_no_review_is_refused_with_the_reason_once() {
    let world = world();
    let agent = world.script(
        "agent",
        r##"
        cat > "$OUTSIDE/prompt"
        echo x >> "$OUTSIDE/runs"
        if [ "$(wc -l < "$OUTSIDE/runs")" = 1 ]; then echo 'All good!'; exit; fi
        cp "$OUTSIDE/prompt" "$OUTSIDE/prompt-2"
        echo '{"description":"Adds a greeting.","summary":"  ","findings":[],"verdict":"good"}'
        "##,
    );
    let mut command = world.ralph(&[]);
    command
        .args(arguments(&world))
        .args(["--headless", "--harness", "command", "--"])
        .arg(&agent);

    let transcript = world.transcript(&mut command);

    assert!(
        transcript.contains(
            "none of 2 answers was a review: the JSON object is no review: unknown field `verdict`"
        ),
        "{transcript}"
    );
    assert!(transcript.ends_with("--- exit code 3\n"), "{transcript}");
    let prompt = fs::read_to_string(world.outside("prompt-2")).unwrap();
    assert!(
        prompt.contains("\nYour last answer was refused: the answer contains no JSON object\n"),
        "{prompt}"
    );
}

#[test]
fn without_a_change_or_a_checklist_no_agent_is_started() {
    let world = world();
    let agent = world.script("agent", "touch \"$OUTSIDE/started\"");
    fs::write(world.outside("empty.diff"), "\n").unwrap();
    let empty = world.outside("empty.diff").display().to_string();
    for (arguments, reason) in [
        (
            ["--diff", &empty, "--spec", "SPEC.md"],
            "is missing or empty: there is nothing to review",
        ),
        (
            ["--diff", "none.diff", "--spec", "SPEC.md"],
            "none.diff is missing or empty",
        ),
        (
            ["--diff", &empty, "--spec", "other.md"],
            "other.md does not exist",
        ),
    ] {
        let mut command = world.ralph(&["review", "--headless", "--harness", "command"]);
        let transcript = world.transcript(command.args(arguments).arg("--").arg(&agent));
        assert!(
            transcript.contains(r#"{"event":"review_failed","error":""#),
            "{transcript}"
        );
        assert!(transcript.contains(reason), "{transcript}");
        assert!(transcript.ends_with("--- exit code 3\n"), "{transcript}");
    }
    assert!(!world.outside("started").exists());
}
