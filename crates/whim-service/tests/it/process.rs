use std::fmt::Debug;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStdout;
use whim_service::process::{
    Child, CommandSpec, Deadlines, Orphans, ProcessIdentity, Signal, become_subreaper, descendants,
    end_marked, find_by_environment,
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

async fn wait_until<T: Debug>(what: &str, mut look: impl FnMut() -> Result<(), T>) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while let Err(seen) = look() {
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
    assert_eq!(reads_input.line().await, "", "cat without input ends at once");
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
async fn a_program_that_is_not_there_is_told_apart() {
    let error = CommandSpec::new("/does/not/exist").spawn().unwrap_err();
    assert!(error.is_not_found());
    assert_eq!(error.to_string(), "starting /does/not/exist");
}

#[tokio::test]
async fn ending_takes_down_descendants_in_sessions_of_their_own() {
    let mut script = Script::start(&shell("setsid sh -c 'echo $$; sleep 1000' & wait"));
    let elsewhere = script.printed_process().await;

    let ended = within(script.child.end(QUICK)).await.unwrap();

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

    let ended = within(script.child.end(QUICK)).await.unwrap();

    assert!(is_gone(orphan), "{ended:?}");
}

#[tokio::test]
async fn an_orphan_without_marker_group_or_session_falls_to_a_subreaper_that_adopts() {
    become_subreaper().unwrap();
    let hides = shell("setsid env -i /bin/sh -c 'echo $$; exec sleep 1000' &").orphans(Orphans::Adopted);
    let mut script = Script::start(&hides);
    let orphan = script.printed_process().await;
    script.child.wait().await.unwrap();
    // Another command of ours that must not be taken for an orphan.
    let other = Script::start(&shell("echo; sleep 1000"));

    let ended = within(script.child.end(QUICK)).await.unwrap();

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
async fn a_polite_child_is_ended_by_the_first_signal_and_a_deaf_one_is_killed() {
    let mut polite = Script::start(&shell(
        "trap 'exit 3' INT; echo ready; while :; do sleep 0.05; done",
    ));
    polite.line().await;
    let ended = within(polite.child.end(Deadlines::PATIENT)).await.unwrap();
    assert_eq!(
        (ended.last_signal, ended.status.unwrap().code()),
        (Some(Signal::INT), Some(3))
    );

    let mut deaf = Script::start(&shell(
        "trap '' INT TERM; echo ready; while :; do sleep 0.05; done",
    ));
    deaf.line().await;
    let ended = within(deaf.child.end(QUICK)).await.unwrap();
    assert_eq!(ended.last_signal, Some(Signal::KILL));
    assert!(is_gone(deaf.child.identity()));
}

#[tokio::test]
async fn a_stopped_process_is_woken_to_hear_the_signal() {
    let mut script = Script::start(&shell(
        "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done",
    ));
    script.line().await;
    script.child.identity().signal(Signal::STOP).unwrap();
    let deadlines = Deadlines {
        interrupt: Duration::ZERO,
        ..Deadlines::PATIENT
    };

    let ended = within(script.child.end(deadlines)).await.unwrap();

    assert_eq!(
        (ended.last_signal, ended.status.unwrap().code()),
        (Some(Signal::TERM), Some(3))
    );
}

#[tokio::test]
async fn ending_what_has_ended_sends_nothing() {
    let mut script = Script::start(&shell("exit 0"));
    script.child.wait().await.unwrap();
    let ended = script.child.end(QUICK).await.unwrap();
    assert_eq!((ended.last_signal, ended.status.unwrap().code()), (None, Some(0)));
}

#[tokio::test]
async fn a_dropped_child_takes_its_descendants_with_it() {
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
async fn descendants_are_found_at_any_depth() {
    let mut script = Script::start(&shell("sh -c 'sh -c \"echo \\$\\$; sleep 1000\"; :'; :"));
    let deepest = script.printed_process().await;

    let found = descendants(script.child.identity().pid).unwrap();

    assert!(found.contains(&deepest), "{found:?}");
    assert!(!found.contains(&script.child.identity()));
}

#[tokio::test]
async fn processes_of_an_earlier_run_are_found_and_ended_by_their_marker() {
    let value = format!("attempt-{}", std::process::id());
    let mut script =
        Script::start(&shell("setsid sh -c 'echo $$; sleep 1000' & wait").marker("ATTEMPT", &value));
    let elsewhere = script.printed_process().await;

    let found = find_by_environment("ATTEMPT", &value).unwrap();
    assert!(
        found.contains(&elsewhere) && found.contains(&script.child.identity()),
        "{found:?}"
    );
    assert_eq!(
        find_by_environment("ATTEMPT", &value[..value.len() - 1]).unwrap(),
        []
    );

    let (survivors, _status) =
        within(async { tokio::join!(end_marked("ATTEMPT", &value, QUICK), script.child.wait()) }).await;
    assert_eq!(survivors.unwrap(), []);
    assert!(is_gone(elsewhere));
}

#[tokio::test]
async fn a_marker_that_this_process_carries_too_does_not_make_it_a_member() {
    // Every process of a test run has PATH; the tree must not reach out to strangers above it all the same.
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
    within(script.child.end(QUICK)).await.unwrap();
}

#[tokio::test]
async fn a_recycled_pid_is_never_signalled() {
    let mut script = Script::start(&shell("echo; sleep 1000"));
    script.line().await;
    let real = script.child.identity();
    let earlier = ProcessIdentity {
        start_ticks: real.start_ticks - 1,
        ..real
    };

    assert!(!earlier.is_alive().unwrap());
    assert!(!earlier.signal(Signal::KILL).unwrap());
    assert!(
        real.is_alive().unwrap(),
        "the process with the recycled pid was hit"
    );
    assert!(real.signal(Signal::KILL).unwrap());
    script.child.wait().await.unwrap();
    assert!(!real.signal(Signal::KILL).unwrap());
}

#[test]
fn an_identity_survives_being_written_down() {
    let identity = ProcessIdentity::of_this_process().unwrap();
    let text = serde_json::to_string(&identity).unwrap();
    assert_eq!(serde_json::from_str::<ProcessIdentity>(&text).unwrap(), identity);
    assert_eq!(ProcessIdentity::of(u32::MAX).unwrap(), None);
}
