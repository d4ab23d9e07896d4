//! Requests to stop, closed output, and the death of the parent.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZeroU16;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use whim_testkit::wait::wait_until;

use crate::world::{TWO_TASKS, World, assert_transcript, below, is_alive, pids};

/// Commits, starts a process in a session of its own, creates a file, and hangs.
const HANGS: &str = r#"
work one
escape
echo $$ >> "$OUTSIDE/pids"
touch "$OUTSIDE/hangs"
sleep 300
"#;

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let check = async || if is_so() { Ok(()) } else { Err("not yet") };
    wait_until(what, Duration::from_secs(60), check).await.unwrap();
}

async fn signal_when_hanging(world: &World, ralph: &Child, signals: &[Signal]) {
    wait_for("the agent to hang", || world.outside("hangs").exists()).await;
    for signal in signals {
        kill_process(Pid::from_child(ralph), *signal).unwrap();
    }
}

fn assert_all_dead(world: &World) {
    let pids = pids(&world.outside("pids"));
    assert_eq!(pids.len(), 2);
    assert_eq!(pids.iter().filter(|&&pid| is_alive(pid)).count(), 0);
}

#[tokio::test]
async fn sigterm_terminates_every_descendant_and_the_last_commit_is_reported() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", HANGS);
    let mut command = world.run_command(&agent, &["--headless"]);
    let ralph = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    signal_when_hanging(&world, &ralph, &[Signal::TERM]).await;
    assert_transcript!(world.describe(&ralph.wait_with_output().unwrap()), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"leftover_processes","message":"1 process outlived the agent and had to be terminated: sleep"}
    {"event":"commit","hash":"[hash]","message":"Add one"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"failed","error":"interrupted by SIGTERM"}
    --- exit code 3
    "#);
    assert_all_dead(&world);
}

#[tokio::test]
async fn sigint_is_reported_in_human_output() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", HANGS);
    let ralph = world
        .run_command(&agent, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    signal_when_hanging(&world, &ralph, &[Signal::INT]).await;
    assert_transcript!(world.describe(&ralph.wait_with_output().unwrap()), @r"
    SPEC.md: 2 tasks, command

    Iteration 1: Add a hello function
      warning: 1 process outlived the agent and had to be terminated: sleep
      commit [hash] Add one
      [seconds]

    Failed: interrupted by SIGINT
    --- exit code 3
    ");
    assert_all_dead(&world);
}

#[tokio::test]
async fn a_second_signal_kills_without_waiting() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", &format!("trap '' INT TERM HUP\n{HANGS}\nsleep 300"));
    let mut command = world.run_command(&agent, &["--headless", "--signal-grace", "600"]);
    let ralph = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Two of one kind could become one on the way.
    signal_when_hanging(&world, &ralph, &[Signal::TERM, Signal::INT]).await;
    let output = ralph.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", world.describe(&output));
    assert_all_dead(&world);
}

#[test]
fn a_closed_output_ends_the_run_quietly() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", &HANGS.replace("touch", "echo 'I am at work'; touch"));
    let mut ralph = world
        .run_command(&agent, &["--timeout-idle", "1", "--signal-grace", "0.2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(ralph.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    assert_eq!(ralph.wait().unwrap().code(), Some(3));
    let mut stderr = String::new();
    ralph.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
    for pid in pids(&world.outside("pids")) {
        assert!(!is_alive(pid));
    }
}

#[tokio::test]
async fn a_headless_run_stops_when_its_parent_is_killed() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", HANGS);
    let parent = world.script("parent", r#""$@" & echo $! > "$OUTSIDE/ralph"; wait"#);
    let mut command = below(parent, &world.run_command(&agent, &["--headless"]));
    // A file, so that ralph cannot learn it from closed output.
    let output = File::create(world.outside("output")).unwrap();
    let mut parent = command.stdout(output).spawn().unwrap();
    signal_when_hanging(&world, &parent, &[Signal::KILL]).await;
    parent.wait().unwrap();
    let ralph = pids(&world.outside("ralph"))[0];
    wait_for("ralph to end", || !is_alive(ralph)).await;
    assert_all_dead(&world);
    let output = fs::read_to_string(world.outside("output")).unwrap();
    assert!(
        output.ends_with("{\"event\":\"failed\",\"error\":\"interrupted by SIGTERM\"}\n"),
        "{output}"
    );
}

#[tokio::test]
async fn a_run_below_nohup_outlives_its_terminal() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        "touch \"$OUTSIDE/hangs\"; await \"$OUTSIDE/go\"; tick; tick",
    );
    let mut command = below("nohup", &world.run_command(&agent, &["--headless"]));
    let ralph = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    signal_when_hanging(&world, &ralph, &[Signal::HUP]).await;
    fs::write(world.outside("go"), "").unwrap();
    let output = ralph.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
}

#[tokio::test]
async fn ctrl_c_leaves_no_spinner_on_the_terminal() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", HANGS);
    let run = world.run_command(&agent, &[]);
    let words = std::iter::once(run.get_program()).chain(run.get_args());
    let words: Vec<_> = words
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    // `script` gives the program a terminal of its own and copies what it shows.
    let mut terminal = std::process::Command::new("script");
    terminal
        .args(["--quiet", "--return", "--echo", "always", "--command"])
        .arg(format!("stty cols 60 rows 40; exec {}", words.join(" ")))
        .arg("/dev/null")
        .env_clear()
        .envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("TERM", "xterm")
        .current_dir(world.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut terminal = terminal.spawn().unwrap();
    signal_when_hanging(&world, &terminal, &[]).await;
    terminal.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();

    let output = terminal.wait_with_output().unwrap();

    let size = [40, 60].map(|size| NonZeroU16::new(size).unwrap());
    let mut screen = vt100::Parser::new(size[0], size[1], 0);
    screen.process(&output.stdout);
    let shown = screen.screen().contents();
    let raw = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(
        raw.contains("00:00:0"),
        "a spinner with its elapsed time was shown: {raw:?}"
    );
    assert!(shown.contains("interrupted by SIGINT"), "{shown}");
    assert!(!shown.contains("00:00:0") && !shown.contains("^C"), "{shown}");
    assert_all_dead(&world);
}
