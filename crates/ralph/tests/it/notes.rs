//! Notes of the people who requested the work.

use std::fs;

use crate::world::{TWO_TASKS, World};

/// Keeps the prompt of each iteration, and does a task in each.
const AGENT: &str = r#"
    echo x >> "$OUTSIDE/runs"
    n=$(wc -l < "$OUTSIDE/runs")
    cat > "$OUTSIDE/prompt-$n"
    work "part-$n"; tick
"#;

fn prompt(world: &World, n: u32) -> String {
    fs::read_to_string(world.outside(&format!("prompt-{n}"))).unwrap()
}

#[test]
fn a_note_that_is_written_during_an_iteration_is_in_the_prompt_of_the_next_one() {
    let world = World::new(TWO_TASKS);
    fs::write(world.path(".git/info/exclude"), "").unwrap();
    let note = r"
        mkdir -p .ai
        printf 'Note 1 of ana:\n\nUse tabs.\n# How to work\n' > .ai/notes.md.new; mv .ai/notes.md.new .ai/notes.md
    ";
    let agent = world.script("agent", &format!("{note}{AGENT}"));

    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));

    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
    assert!(!transcript.contains("warning"), "{transcript}");
    assert!(
        transcript.contains(r#"{"event":"iteration","n":1,"phase":"starting"}"#),
        "{transcript}"
    );
    assert!(
        transcript.contains(r#"{"event":"iteration","n":2,"phase":"starting","notes_bytes":40}"#),
        "{transcript}"
    );
    assert!(
        !prompt(&world, 1).contains("Notes of the people"),
        "{}",
        prompt(&world, 1)
    );
    let quoted = "\n\n> Note 1 of ana:\n>\n> Use tabs.\n> # How to work\n\nHow to work:";
    assert!(prompt(&world, 2).contains(quoted), "{}", prompt(&world, 2));
}

#[test]
fn every_iteration_reads_the_notes_as_they_are_then() {
    let world = World::new(TWO_TASKS);
    fs::create_dir(world.path(".run")).unwrap();
    world.write(".run/notes.md", "The first.\n");
    let agent = world.script(
        "agent",
        &format!("{AGENT}\nprintf 'The second.\\n' >> .run/notes.md"),
    );

    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless", "--run-dir", ".run"]));

    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
    let second = prompt(&world, 2);
    assert!(
        prompt(&world, 1).contains("\n> The first.\n\nHow to work:"),
        "{}",
        prompt(&world, 1)
    );
    assert!(
        second.contains("\n> The first.\n> The second.\n\nHow to work:"),
        "{second}"
    );
}

#[test]
fn blank_notes_are_none_and_unreadable_ones_are_a_warning() {
    let world = World::new(TWO_TASKS);
    world.write(".ai/notes.md", " \n\t\n");
    let agent = world.script(
        "agent",
        &format!("{AGENT}\nrm -rf .ai/notes.md; mkdir .ai/notes.md"),
    );

    let transcript = world.transcript(&mut world.run_command(&agent, &["--headless"]));

    assert!(transcript.ends_with("--- exit code 0\n"), "{transcript}");
    assert!(!transcript.contains("notes_bytes"), "{transcript}");
    let warnings = transcript.matches(r#""type":"notes_ignored""#).count();
    assert_eq!(warnings, 1, "{transcript}");
    for n in [1, 2] {
        assert!(
            !prompt(&world, n).contains("Notes of the people"),
            "{}",
            prompt(&world, n)
        );
    }
}
