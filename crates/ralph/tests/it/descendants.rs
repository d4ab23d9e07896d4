//! No process of an agent outlives its iteration.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{TWO_TASKS, World, assert_transcript, below, is_alive, pids};

/// Starts processes that escape from an agent in every known way, and write their pids to a file.
const LEAVES_PROCESSES: &str = r#"
cat > "$OUTSIDE/bin/leftover" <<'END'
#!/bin/sh
echo $$ >> "$1"
exec sleep 300
END
chmod +x "$OUTSIDE/bin/leftover"
leftover() { "$@" "$OUTSIDE/bin/leftover" "$OUTSIDE/pids" > /dev/null 2>&1 < /dev/null & }
# A job, a session of its own, a daemon whose parent is gone, and a session below a session.
leftover env
leftover setsid
(leftover setsid)
leftover setsid sh -c '"$0" "$1" & setsid "$0" "$1" & wait'
# One that ignores signals.
(trap '' INT TERM HUP; leftover setsid)
while [ "$(wc -l < "$OUTSIDE/pids")" -lt 6 ]; do sleep 0.02; done
"#;

#[test]
fn processes_in_sessions_of_their_own_are_terminated_with_the_iteration() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", &format!("{LEAVES_PROCESSES}\ntick; tick"));
    assert_transcript!(world.transcript(&mut world.run_command(&agent, &["--headless"])), @r#"
    {"event":"started","spec":"SPEC.md","tasks":2,"harness":"command","timestamp":"[time]"}
    {"event":"iteration","n":1,"phase":"starting"}
    {"event":"iteration","n":1,"phase":"running"}
    {"event":"iteration","n":1,"phase":"finishing"}
    {"event":"warning","type":"leftover_processes","message":"7 processes outlived the agent and had to be terminated: sh, sleep (6 times)"}
    {"event":"task_complete","index":0,"text":"Add a hello function"}
    {"event":"task_complete","index":1,"text":"Add a goodbye function"}
    {"event":"iteration_done","n":1,"duration_ms":[ms]}
    {"event":"complete","tasks_done":2,"total_duration_ms":[ms]}
    --- exit code 0
    "#);
    let pids = pids(&world.outside("pids"));
    assert_eq!(pids.len(), 6);
    assert_eq!(pids.iter().filter(|&&pid| is_alive(pid)).count(), 0);
}

#[test]
fn processes_are_terminated_with_an_agent_that_has_to_be_killed() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        &format!("trap '' INT TERM\n{LEAVES_PROCESSES}\nsleep 300"),
    );
    let mut command = world.run_command(
        &agent,
        &[
            "--headless",
            "-n",
            "1",
            "--timeout-idle",
            "1",
            "--signal-grace",
            "0.2",
        ],
    );
    let transcript = world.transcript(&mut command);
    // How many are left running depends on which of them exit with the agent.
    assert!(
        transcript.contains("outlived the agent and had to be terminated"),
        "{transcript}"
    );
    let pids = pids(&world.outside("pids"));
    assert_eq!(pids.len(), 6);
    assert_eq!(pids.iter().filter(|&&pid| is_alive(pid)).count(), 0);
}

#[test]
fn processes_that_were_there_before_are_left_alone() {
    let world = World::new(TWO_TASKS);
    let agent = world.script("agent", "tick; tick");
    // A shell that becomes ralph leaves it its jobs as children.
    let shell = world.script(
        "shell",
        r#"
        sleep 300 > /dev/null 2>&1 &
        echo $! > "$OUTSIDE/pids"
        exec "$@"
        "#,
    );
    let mut command = below(shell, &world.run_command(&agent, &["--headless"]));
    let transcript = world.transcript(&mut command);
    let pid = pids(&world.outside("pids"))[0];
    let was_alive = is_alive(pid);
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
    assert!(was_alive && name == "sleep\n", "{transcript}");
    assert!(!transcript.contains("leftover_processes"), "{transcript}");
}

#[test]
fn orphans_that_end_while_the_agent_works_do_not_pile_up() {
    let world = World::new(TWO_TASKS);
    let agent = world.script(
        "agent",
        r#"
        cat > "$OUTSIDE/bin/orphan" <<'END'
#!/bin/sh
echo $$ >> "$1/pids"
while [ ! -e "$1/end" ]; do sleep 0.02; done
END
        chmod +x "$OUTSIDE/bin/orphan"
        for n in 1 2 3 4 5; do ("$OUTSIDE/bin/orphan" "$OUTSIDE" &); done
        while [ "$(wc -l < "$OUTSIDE/pids")" -lt 5 ]; do sleep 0.02; done
        touch "$OUTSIDE/end"
        # An entry stays until the process is reaped.
        for pid in $(cat "$OUTSIDE/pids"); do
            while [ -e "/proc/$pid" ]; do sleep 0.02; done
        done
        tick
        tick
        "#,
    );
    let arguments = ["--headless", "--watch-period", "0.05", "--timeout-idle", "60"];
    let output = world.run_command(&agent, &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", world.describe(&output));
}
