//! The `process` runtime with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use futures::StreamExt as _;
use whim_core::WorkerId;
use whim_runtime::process::ProcessRuntime;
use whim_runtime::{Attempt, AttemptState, Exit, ExitKind, Runtime as _, RuntimeConfig, WorkerSpec};
use whim_service::process::{ProcessIdentity, Signal, find_by_environment};
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use crate::worker::{self, PATIENCE, process_of, shim_program, wait_until_gone};

/// Runs until it is ended, with descendants of every kind: a shell in its own session, one that also cleared its
/// environment, and one whose parent has exited.
const LEAVES_DESCENDANTS: &str = r#"
setsid sh -c 'echo $$ > '"$notes"'/session; exec sleep 1000' &
env -i setsid sh -c 'echo $$ > '"$notes"'/cleared; exec sleep 1000' &
sh -c 'sh -c "echo \$\$ > '"$notes"'/orphan; exec sleep 1000" & exit 0'
echo $$ > "$notes/worker"
exec sleep 1000
"#;

fn config(fixture: &WorkerFixture, more: &[(&str, &str)]) -> RuntimeConfig {
    let own = fixture.settings();
    let own = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    worker::config(own.chain(more.iter().copied()))
}

fn open(fixture: &WorkerFixture, more: &[(&str, &str)]) -> ProcessRuntime {
    ProcessRuntime::open(&config(fixture, more), shim_program()).unwrap()
}

fn spec() -> WorkerSpec {
    worker::spec(
        ("ORCHESTRATOR_URL", "http://127.0.0.1:1"),
        [("worker-token", "the-token"), ("github-token", "ghs_secret")],
    )
}

async fn start(runtime: &ProcessRuntime) -> WorkerId {
    let spec = spec();
    let worker = spec.worker_id;
    runtime.start(spec).await.unwrap();
    worker
}

async fn state(runtime: &ProcessRuntime, worker: WorkerId) -> Option<AttemptState> {
    let attempts: Vec<Attempt> = runtime.list().await.unwrap();
    attempts
        .into_iter()
        .find(|attempt| attempt.worker_id == worker)
        .map(|attempt| attempt.state)
}

async fn wait_for_end(runtime: &ProcessRuntime, worker: WorkerId) -> Exit {
    wait_until("the worker to end", PATIENCE, async || {
        match state(runtime, worker).await {
            Some(AttemptState::Ended(exit)) => Ok(exit),
            other => Err(format!("{other:?}")),
        }
    })
    .await
    .unwrap()
}

fn shim(fixture: &WorkerFixture, worker: WorkerId) -> ProcessIdentity {
    let record = fs::read(fixture.attempt(worker).join("shim.json")).unwrap();
    serde_json::from_slice(&record).unwrap()
}

#[tokio::test]
async fn a_worker_gets_the_specified_environment_and_nothing_else() {
    let fixture = WorkerFixture::with_script(
        r#"
        { env; echo "INPUT=$(cat)"; echo "DIRECTORY=$(pwd)"; } > "$notes/all.unfinished"
        stat -c '%a %n' "$CREDENTIALS_DIR" "$CREDENTIALS_DIR"/* > "$notes/modes"
        cat "$CREDENTIALS_DIR/worker-token" > "$notes/token"; echo >> "$notes/token"
        mv "$notes/all.unfinished" "$notes/all"
        "#,
    );
    let own_home = tempfile::tempdir().unwrap();
    let toolchains = own_home.path().join(".rustup");
    fs::create_dir(&toolchains).unwrap();
    let runtime = open(&fixture, &[("HOME", own_home.path().to_str().unwrap())]);
    let worker = start(&runtime).await;

    let all = fixture.note("all").await;
    let attempt = fs::canonicalize(fixture.attempt(worker)).unwrap();
    let path = |name: &str| attempt.join(name).display().to_string();
    let seen = |name: &str| {
        let prefix = format!("{name}=");
        all.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
    };
    assert_eq!(seen("ORCHESTRATOR_URL").as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(seen("WHIM_ATTEMPT"), Some(worker.to_string()));
    assert_eq!(seen("HOME"), Some(path("home")));
    // With a home of its own it would not find the toolchains, and there is only one kind of them here.
    assert_eq!(seen("RUSTUP_HOME"), Some(toolchains.display().to_string()));
    assert_eq!(seen("PYENV_ROOT"), None);
    assert_eq!(seen("CREDENTIALS_DIR"), Some(path("credentials")));
    assert_eq!(seen("WORKSPACE_DIR"), Some(path("workspace")));
    assert_eq!(seen("DIRECTORY"), Some(path("workspace")));
    assert_eq!(seen("PATH").as_deref(), Some("/usr/local/bin:/usr/bin:/bin"));
    assert_eq!(seen("INPUT").as_deref(), Some(""));
    let sandbox = rustix::process::geteuid().is_root().then_some("1");
    assert_eq!(seen("IS_SANDBOX").as_deref(), sandbox);
    // Nothing of the test's own environment, which has Cargo's.
    assert!(!all.contains("CARGO"), "{all}");
    assert_eq!(fixture.note("token").await, "the-token");
    let modes = fixture.note("modes").await;
    let modes: Vec<&str> = modes.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(modes, ["700", "400", "400"]);
}

#[tokio::test]
async fn the_exit_of_a_worker_is_reported_with_its_code_and_its_credentials_are_removed() {
    let fixture = WorkerFixture::with_script("echo to the log; echo and this >&2; exit 3");
    let runtime = open(&fixture, &[]);
    let mut exits = runtime.exits();
    let worker = start(&runtime).await;

    let reported = tokio::time::timeout(PATIENCE, exits.next()).await.unwrap();

    assert_eq!(reported, Some(worker));
    let exit = Exit {
        how: ExitKind::Code(3),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    assert!(!fixture.attempt(worker).join("credentials").exists());
    let log = runtime.logs(worker, 1000).await.unwrap().unwrap();
    assert!(
        log.contains("to the log\n") && log.contains("and this\n"),
        "{log}"
    );
}

#[tokio::test]
async fn all_descendants_of_a_worker_end_with_it_even_when_it_was_killed() {
    let fixture = WorkerFixture::with_script(LEAVES_DESCENDANTS);
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    let mut processes = Vec::new();
    for name in ["worker", "session", "cleared", "orphan"] {
        processes.push((name, process_of(&fixture, name).await));
    }

    processes[0].1.signal(Signal::KILL).unwrap();

    let exit = Exit {
        how: ExitKind::Signal(9),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    for (name, process) in processes {
        assert!(!process.is_alive().unwrap(), "{name} survived");
    }
}

#[tokio::test]
async fn a_worker_that_ignores_the_stop_is_killed_and_its_exit_is_marked_as_stopped() {
    let fixture = WorkerFixture::with_script(&format!("trap '' TERM INT\n{LEAVES_DESCENDANTS}"));
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    let mut processes = Vec::new();
    for name in ["worker", "session", "cleared", "orphan"] {
        processes.push((name, process_of(&fixture, name).await));
    }

    runtime.stop(worker).await.unwrap();

    for (name, process) in processes {
        assert!(!process.is_alive().unwrap(), "{name} survived");
    }
    let exit = Exit {
        how: ExitKind::Signal(9),
        stopped: true,
    };
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Ended(exit)));
    assert!(!fixture.attempt(worker).join("credentials").exists());
    runtime.stop(worker).await.unwrap();
    runtime.stop(WorkerId::new()).await.unwrap();
}

#[tokio::test]
async fn a_stopped_worker_has_the_grace_period_to_end_itself() {
    let fixture = WorkerFixture::with_script(
        r#"trap 'echo bye > "$notes/bye"; exit 0' TERM; echo $$ > "$notes/worker"; while :; do sleep 0.05; done"#,
    );
    let runtime = open(&fixture, &[("STOP_GRACE_SECONDS", "30")]);
    let worker = start(&runtime).await;
    process_of(&fixture, "worker").await;

    runtime.stop(worker).await.unwrap();

    assert_eq!(fixture.note("bye").await, "bye");
    let exit = Exit {
        how: ExitKind::Code(0),
        stopped: true,
    };
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Ended(exit)));
}

#[tokio::test]
async fn a_worker_does_not_outlive_its_shim() {
    let fixture = WorkerFixture::with_script(LEAVES_DESCENDANTS);
    let runtime = open(&fixture, &[]);
    let mut exits = runtime.exits();
    let worker = start(&runtime).await;
    let marked = [
        process_of(&fixture, "worker").await,
        process_of(&fixture, "session").await,
        process_of(&fixture, "orphan").await,
    ];

    shim(&fixture, worker).signal(Signal::KILL).unwrap();

    let reported = tokio::time::timeout(PATIENCE, exits.next()).await.unwrap();
    assert_eq!(reported, Some(worker));
    let exit = Exit {
        how: ExitKind::Unknown,
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    for process in marked {
        assert!(!process.is_alive().unwrap(), "pid {} survived", process.pid);
    }
    assert!(!fixture.attempt(worker).join("credentials").exists());
    // Without marker and shim, nothing ties this process to the worker.
    process_of(&fixture, "cleared")
        .await
        .signal(Signal::KILL)
        .unwrap();
}

#[tokio::test]
async fn a_shim_whose_directory_was_removed_ends_its_worker_and_itself() {
    let fixture = WorkerFixture::with_script(LEAVES_DESCENDANTS);
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    let mut processes = vec![shim(&fixture, worker)];
    for name in ["worker", "session", "cleared", "orphan"] {
        processes.push(process_of(&fixture, name).await);
    }

    fs::remove_dir_all(fixture.attempt(worker)).unwrap();

    for process in processes {
        wait_until_gone("a process of the removed attempt", process).await;
    }
}

#[tokio::test]
async fn a_restarted_orchestrator_adopts_running_workers() {
    let fixture = WorkerFixture::with_script(r#"echo $$ > "$notes/worker"; exec sleep 1000"#);
    let before = open(&fixture, &[]);
    let worker = start(&before).await;
    let process = process_of(&fixture, "worker").await;
    let instance = before.instance().to_owned();
    drop(before);

    let runtime = open(&fixture, &[]);

    assert_eq!(runtime.instance(), instance);
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Running));
    assert!(process.is_alive().unwrap());
    let mut exits = runtime.exits();
    process.signal(Signal::TERM).unwrap();
    let reported = tokio::time::timeout(PATIENCE, exits.next()).await.unwrap();
    assert_eq!(reported, Some(worker));
    let exit = Exit {
        how: ExitKind::Signal(15),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
}

#[tokio::test]
async fn an_exit_that_no_orchestrator_observed_is_still_reported() {
    let fixture = WorkerFixture::with_script(r#"echo $$ > "$notes/worker"; exec sleep 1000"#);
    let before = open(&fixture, &[]);
    let worker = start(&before).await;
    drop(before);
    let (process, shim) = (process_of(&fixture, "worker").await, shim(&fixture, worker));
    process.signal(Signal::KILL).unwrap();
    wait_until_gone("the shim", shim).await;

    let runtime = open(&fixture, &[]);

    let exit = Exit {
        how: ExitKind::Signal(9),
        stopped: false,
    };
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Ended(exit)));
}

#[tokio::test]
async fn an_attempt_whose_shim_never_started_is_ended_for_good() {
    let fixture = WorkerFixture::with_script("exec sleep 1000");
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    runtime.stop(worker).await.unwrap();
    // What an orchestrator leaves that dies between creating the directory and starting the shim.
    let (given_up, attempt) = (WorkerId::new(), fixture.attempt(worker));
    let record = fs::read_to_string(attempt.join("attempt.json")).unwrap();
    let directory = fixture.attempt(given_up);
    fs::create_dir_all(directory.join("workspace")).unwrap();
    fs::create_dir(directory.join("credentials")).unwrap();
    fs::write(
        directory.join("attempt.json"),
        record.replace(&worker.to_string(), &given_up.to_string()),
    )
    .unwrap();

    let exit = Exit {
        how: ExitKind::Unknown,
        stopped: false,
    };
    assert_eq!(state(&runtime, given_up).await, Some(AttemptState::Ended(exit)));
    assert!(!directory.join("credentials").exists());
    // A shim that starts late starts no worker.
    let late = tokio::process::Command::new(shim_program())
        .args(["keep-attempt", "--grace-milliseconds", "100", "--directory"])
        .arg(&directory)
        .arg(fixture.worker())
        .env_clear()
        .output()
        .await
        .unwrap();
    assert!(!late.status.success());
    let reported = String::from_utf8_lossy(&late.stderr);
    assert!(
        reported.contains("the attempt was ended before its shim started"),
        "{reported}"
    );
}

#[tokio::test]
async fn a_start_that_fails_leaves_neither_process_nor_credentials() {
    let fixture = WorkerFixture::with_script("");
    // Executable, but not a program.
    fs::write(fixture.worker(), [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    let runtime = open(&fixture, &[]);
    let spec = spec();
    let worker = spec.worker_id;

    let error = runtime.start(spec).await.unwrap_err();

    let reported = whim_service::chain::chain(&error).to_string();
    assert!(
        reported.contains(&format!("starting {}", fixture.worker().display())),
        "{reported}"
    );
    assert!(matches!(
        state(&runtime, worker).await,
        Some(AttemptState::Ended(_))
    ));
    assert!(!fixture.attempt(worker).join("credentials").exists());
    assert_eq!(
        find_by_environment("WHIM_ATTEMPT", &worker.to_string()).unwrap(),
        []
    );
}

#[tokio::test]
async fn a_missing_worker_program_is_reported_before_anything_is_created() {
    let fixture = WorkerFixture::with_script("");
    let runtime = open(&fixture, &[("WORKER_BIN", "/nonexistent/whim-worker")]);

    let health = runtime.health().await.unwrap_err();
    assert_eq!(
        health.to_string(),
        "there is no program /nonexistent/whim-worker: set WORKER_BIN"
    );
    runtime.start(spec()).await.unwrap_err();
    assert_eq!(runtime.list().await.unwrap(), []);
}

#[tokio::test]
async fn a_workspaces_directory_belongs_to_one_orchestrator_at_a_time() {
    let fixture = WorkerFixture::with_script("");
    let first = open(&fixture, &[]);

    let refused = ProcessRuntime::open(&config(&fixture, &[]), shim_program()).unwrap_err();
    assert!(
        refused.to_string().contains("is used by another orchestrator"),
        "{refused}"
    );

    drop(first);
    open(&fixture, &[]);
}

#[tokio::test]
async fn only_old_attempts_of_the_same_instance_are_removed() {
    let fixture =
        WorkerFixture::with_script(r#"case "$(cat "$CREDENTIALS_DIR/worker-token")" in *) exit 0;; esac"#);
    let runtime = open(&fixture, &[]);
    let ended = start(&runtime).await;
    wait_for_end(&runtime, ended).await;
    let others = [
        fixture.workspaces().join("notes.txt"),
        fixture.workspaces().join(WorkerId::new().to_string()),
    ];
    fs::write(&others[0], "mine").unwrap();
    fs::create_dir(&others[1]).unwrap();

    assert_eq!(runtime.clean(Duration::from_hours(1)).await.unwrap().attempts, 0);
    assert!(fixture.attempt(ended).exists());

    assert_eq!(runtime.clean(Duration::ZERO).await.unwrap().attempts, 1);
    assert!(!fixture.attempt(ended).exists());
    assert!(others.iter().all(|path| path.exists()));
    assert_eq!(runtime.logs(ended, 100).await.unwrap(), None);
}

#[tokio::test]
async fn root_runs_workers_as_the_configured_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let fixture = WorkerFixture::with_script(
        r#"id -u > "$notes/user"; id -G > "$notes/groups"; touch "$HOME/mine" "$WORKSPACE_DIR/mine"
        cat "$WORKSPACE_DIR/../attempt.json" > /dev/null 2>&1 && echo readable > "$notes/record" || echo closed > "$notes/record"
        { env | grep -c '^IS_SANDBOX=' ; true; } > "$notes/sandbox"; exit 0"#,
    );
    let runtime = open(&fixture, &[("WORKER_USER", "nobody")]);
    let worker = start(&runtime).await;

    let nobody = fixture.note("user").await.parse::<u32>().unwrap();
    assert_ne!(nobody, 0);
    assert_ne!(fixture.note("groups").await, "0");
    assert_eq!(fixture.note("record").await, "closed");
    assert_eq!(fixture.note("sandbox").await, "0");
    let exit = Exit {
        how: ExitKind::Code(0),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    let metadata = fixture.attempt(worker).metadata().unwrap();
    assert_eq!(
        (metadata.uid(), metadata.permissions().mode() & 0o777),
        (0, 0o711)
    );

    let refused = ProcessRuntime::open(
        &config(
            &WorkerFixture::with_script(""),
            &[("WORKER_USER", "no-such-user")],
        ),
        shim_program(),
    )
    .unwrap_err();
    assert!(refused.to_string().contains("there is no such user"), "{refused}");
}

#[tokio::test]
async fn a_log_is_followed_from_its_last_lines_until_the_worker_ends() {
    let fixture = WorkerFixture::with_script(
        r#"echo one; echo two; echo three; echo > "$notes/printed"
        while ! [ -e "$notes/go" ]; do sleep 0.05; done; echo four; exit 0"#,
    );
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    fixture.note("printed").await;
    wait_until("the log", PATIENCE, async || {
        let log = runtime.logs(worker, 1000).await.unwrap().unwrap_or_default();
        if log.contains("three\n") { Ok(()) } else { Err(log) }
    })
    .await
    .unwrap();

    let mut log = runtime.follow(worker, 2, 1000).await.unwrap().unwrap();
    assert_eq!(log.next().await.unwrap().unwrap(), "two\nthree\n");
    fs::write(fixture.path().join("notes/go"), "").unwrap();
    let mut rest = Vec::new();
    while let Some(piece) = tokio::time::timeout(PATIENCE, log.next()).await.unwrap() {
        rest.extend_from_slice(&piece.unwrap());
    }

    assert_eq!(rest, b"four\n");
    assert!(runtime.follow(WorkerId::new(), 2, 1000).await.unwrap().is_none());
}
