use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStdout;
use whim_service::process::{
    Child, CommandSpec, Deadlines, Orphans, ProcessIdentity, Signal, become_subreaper,
};

const PATH: &str = "/usr/bin:/bin";

const QUICK: Deadlines = Deadlines {
    interrupt: Duration::from_millis(200),
    terminate: Duration::from_millis(200),
    kill: Duration::from_secs(10),
};

fn shell(script: &str) -> CommandSpec {
    CommandSpec::new("sh").args(["-c", script]).env("PATH", PATH)
}

/// A running script and what it prints, line by line.
struct Script {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Script {
    fn start(command: &CommandSpec) -> Self {
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.take_stdout().unwrap());
        Self { child, output }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// The process whose pid the script prints next.
    async fn printed_process(&mut self) -> ProcessIdentity {
        let pid = self.line().await.parse().unwrap();
        ProcessIdentity::of(pid).unwrap().unwrap()
    }
}

async fn wait_until<T: Debug>(what: &str, mut check: impl FnMut() -> Result<(), T>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while let Err(seen) = check() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "not within 20 s: {what}; last seen: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_gone(process: ProcessIdentity) -> bool {
    !process.is_alive().unwrap()
}

async fn within<T>(call: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), call).await.unwrap()
}

#[tokio::test]
async fn a_child_gets_exactly_the_named_environment_and_no_input() {
    let command = CommandSpec::new("env")
        .env("PATH", PATH)
        .env("GREETING", "hello; $(touch x)")
        .marker("MARK", "7");
    let mut child = command.spawn().unwrap();
    let mut output = String::new();
    child
        .take_stdout()
        .unwrap()
        .read_to_string(&mut output)
        .await
        .unwrap();
    let mut lines: Vec<&str> = output.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["GREETING=hello; $(touch x)", "MARK=7", "PATH=/usr/bin:/bin"]
    );

    let mut reads_input = Script::start(&CommandSpec::new("cat").env("PATH", PATH));
    assert_eq!(reads_input.line().await, "", "cat without input exits at once");
    assert!(reads_input.child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_child_is_found_in_its_own_path_runs_in_its_directory_and_leads_a_group() {
    let directory = TempDir::new().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let mut script = Script::start(&shell("pwd; ps -o pgid= -p $$; exit 7").directory(&directory));

    assert_eq!(Path::new(&script.line().await), directory);
    assert_eq!(
        script.line().await.trim(),
        script.child.identity().pid.to_string()
    );
    assert_eq!(script.child.wait().await.unwrap().code(), Some(7));
}

#[tokio::test]
async fn a_missing_program_is_distinguished_from_other_errors() {
    let error = CommandSpec::new("/does/not/exist").spawn().unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "starting /does/not/exist");
}

#[tokio::test]
async fn termination_includes_descendants_in_sessions_of_their_own() {
    let mut script = Script::start(&shell("setsid sh -c 'echo $$; sleep 1000' & wait"));
    let elsewhere = script.printed_process().await;

    let ended = within(script.child.terminate(QUICK)).await.unwrap();

    assert!(is_gone(elsewhere) && is_gone(script.child.identity()));
    assert!(ended.status.is_some() && ended.survivors.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn an_orphan_is_recognised_by_the_marker_that_it_inherited() {
    let mut script = Script::start(&shell("setsid sh -c 'echo $$; sleep 1000' &"));
    let orphan = script.printed_process().await;
    script.child.wait().await.unwrap();
    assert!(
        !is_gone(orphan),
        "the orphan must outlive its parent for this test"
    );

    let ended = within(script.child.terminate(QUICK)).await.unwrap();

    assert!(is_gone(orphan), "{ended:?}");
}

#[tokio::test]
async fn an_orphan_without_marker_group_or_session_is_adopted_by_a_subreaper() {
    become_subreaper().unwrap();
    let hides = shell("setsid env -i /bin/sh -c 'echo $$; exec sleep 1000' &").orphans(Orphans::Adopted);
    let mut script = Script::start(&hides);
    let orphan = script.printed_process().await;
    script.child.wait().await.unwrap();
    // Another command of this process, which is not an orphan.
    let other = Script::start(&shell("echo; sleep 1000"));

    let ended = within(script.child.terminate(QUICK)).await.unwrap();

    assert!(is_gone(orphan), "{ended:?}");
    assert!(
        !is_gone(other.child.identity()),
        "another command was taken for an orphan"
    );
    wait_until("the orphan is reaped", || {
        match ProcessIdentity::of(orphan.pid).unwrap() {
            Some(process) if process == orphan => Err(process),
            Some(_) | None => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_child_that_handles_int_gets_no_other_signal_and_one_that_ignores_signals_is_killed() {
    let mut handles_int = Script::start(&shell(
        "trap 'exit 3' INT; echo ready; while :; do sleep 0.05; done",
    ));
    handles_int.line().await;
    let ended = within(handles_int.child.terminate(Deadlines::GRACEFUL))
        .await
        .unwrap();
    assert_eq!(
        (ended.last_signal, ended.status.unwrap().code()),
        (Some(Signal::INT), Some(3))
    );

    let mut ignores_signals = Script::start(&shell(
        "trap '' INT TERM; echo ready; while :; do sleep 0.05; done",
    ));
    ignores_signals.line().await;
    let ended = within(ignores_signals.child.terminate(QUICK)).await.unwrap();
    assert_eq!(ended.last_signal, Some(Signal::KILL));
    assert!(is_gone(ignores_signals.child.identity()));
}

#[tokio::test]
async fn a_stopped_process_is_continued_so_that_it_receives_the_signal() {
    let mut script = Script::start(&shell(
        "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done",
    ));
    script.line().await;
    script.child.identity().signal(Signal::STOP).unwrap();
    let deadlines = Deadlines {
        interrupt: Duration::ZERO,
        ..Deadlines::GRACEFUL
    };

    let ended = within(script.child.terminate(deadlines)).await.unwrap();

    assert_eq!(
        (ended.last_signal, ended.status.unwrap().code()),
        (Some(Signal::TERM), Some(3))
    );
}

#[tokio::test]
async fn no_signal_is_sent_to_a_command_that_has_ended() {
    let mut script = Script::start(&shell("exit 0"));
    script.child.wait().await.unwrap();
    let ended = script.child.terminate(QUICK).await.unwrap();
    assert_eq!((ended.last_signal, ended.status.unwrap().code()), (None, Some(0)));
}

#[tokio::test]
async fn dropping_a_child_kills_its_descendants() {
    let mut script = Script::start(&shell("setsid sh -c 'echo $$; sleep 1000' & wait"));
    let elsewhere = script.printed_process().await;
    let root = script.child.identity();

    drop(script);

    wait_until("both are gone", || {
        let alive: Vec<_> = [elsewhere, root]
            .into_iter()
            .filter(|process| !is_gone(*process))
            .collect();
        if alive.is_empty() { Ok(()) } else { Err(alive) }
    })
    .await;
}

#[tokio::test]
async fn a_marker_that_this_process_carries_too_does_not_make_it_a_member() {
    // Every process of a test run has PATH. The tree must not include the ancestors of this process.
    let own_path = std::env::vars_os()
        .find(|(name, _)| name == "PATH")
        .unwrap()
        .1
        .into_string()
        .unwrap();
    let unique = format!("{own_path}:/tree-{}", std::process::id());
    let mut script = Script::start(&shell("echo; sleep 1000").marker("PATH", unique));
    script.line().await;
    let members = script.child.members().unwrap();
    assert!(
        !members.iter().any(|member| member.pid == std::process::id()),
        "{members:?}"
    );
    within(script.child.terminate(QUICK)).await.unwrap();
}
