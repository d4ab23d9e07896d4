//! The `process` runtime with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use futures::StreamExt as _;
use whim_core::{LeaseEpoch, RepoName, WorkItemId, WorkerId};
use whim_orchestrator::runtime::process::ProcessRuntime;
use whim_orchestrator::runtime::{
    Attempt, AttemptState, Credential, Exit, ExitKind, Runtime as _, WorkerSpec,
};
use whim_service::process::{ProcessIdentity, Signal, find_by_environment};
use whim_service::secret::SecretString;
use whim_testkit::wait::wait_until;

use crate::app::PATIENCE;
use crate::workers::{Place, orchestrator_program, wait_until_gone};

/// Lives until it is ended, with everything that an agent may leave behind: a shell in a session of its own, one that
/// cleared its environment besides, and one whose parent is gone.
const LEAVES_MUCH_BEHIND: &str = r#"
setsid sh -c 'echo $$ > '"$notes"'/session; exec sleep 1000' &
env -i setsid sh -c 'echo $$ > '"$notes"'/cleared; exec sleep 1000' &
sh -c 'sh -c "echo \$\$ > '"$notes"'/orphan; exec sleep 1000" & exit 0'
echo $$ > "$notes/worker"
exec sleep 1000
"#;

fn open(place: &Place, more: &[(&str, &str)]) -> ProcessRuntime {
    ProcessRuntime::open(&place.runtime_config(more), orchestrator_program()).unwrap()
}

fn spec() -> WorkerSpec {
    let secret = |file_name, text: &str| Credential {
        file_name,
        secret: SecretString::from(text),
    };
    WorkerSpec {
        worker_id: WorkerId::new(),
        work_item_id: WorkItemId::new(),
        repo: RepoName::parse("acme/shop").unwrap(),
        epoch: LeaseEpoch::from_number(1),
        environment: [("ORCHESTRATOR_URL".to_owned(), "http://127.0.0.1:1".to_owned())].into(),
        credentials: vec![
            secret("worker-token", "the-token"),
            secret("github-token", "ghs_secret"),
        ],
    }
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

fn keeper(place: &Place, worker: WorkerId) -> ProcessIdentity {
    let record = fs::read(place.attempt(worker).join("keeper.json")).unwrap();
    serde_json::from_slice(&record).unwrap()
}

#[tokio::test]
async fn a_worker_gets_what_it_is_told_and_nothing_else() {
    let place = Place::with_worker(
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
    let runtime = open(&place, &[("HOME", own_home.path().to_str().unwrap())]);
    let worker = start(&runtime).await;

    let all = place.note("all").await;
    let attempt = fs::canonicalize(place.attempt(worker)).unwrap();
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
    assert_eq!(place.note("token").await, "the-token");
    let modes = place.note("modes").await;
    let modes: Vec<&str> = modes.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(modes, ["700", "400", "400"]);
}

#[tokio::test]
async fn the_exit_of_a_worker_is_told_with_its_code_and_its_credentials_go() {
    let place = Place::with_worker("echo to the log; echo and this >&2; exit 3");
    let runtime = open(&place, &[]);
    let mut exits = runtime.exits();
    let worker = start(&runtime).await;

    let told = tokio::time::timeout(PATIENCE, exits.next()).await.unwrap();

    assert_eq!(told, Some(worker));
    let exit = Exit {
        how: ExitKind::Code(3),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    assert!(!place.attempt(worker).join("credentials").exists());
    let log = runtime.logs(worker, 1000).await.unwrap().unwrap();
    assert!(
        log.contains("to the log\n") && log.contains("and this\n"),
        "{log}"
    );
}

#[tokio::test]
async fn whatever_came_from_a_worker_dies_with_it_even_when_it_was_killed() {
    let place = Place::with_worker(LEAVES_MUCH_BEHIND);
    let runtime = open(&place, &[]);
    let worker = start(&runtime).await;
    let mut processes = Vec::new();
    for name in ["worker", "session", "cleared", "orphan"] {
        processes.push((name, place.process(name).await));
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
async fn a_worker_that_ignores_the_request_to_stop_is_killed_and_that_was_intended() {
    let place = Place::with_worker(&format!("trap '' TERM INT\n{LEAVES_MUCH_BEHIND}"));
    let runtime = open(&place, &[]);
    let worker = start(&runtime).await;
    let mut processes = Vec::new();
    for name in ["worker", "session", "cleared", "orphan"] {
        processes.push((name, place.process(name).await));
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
    assert!(!place.attempt(worker).join("credentials").exists());
    runtime.stop(worker).await.unwrap();
    runtime.stop(WorkerId::new()).await.unwrap();
}

#[tokio::test]
async fn a_stopped_worker_may_wind_up() {
    let place = Place::with_worker(
        r#"trap 'echo bye > "$notes/bye"; exit 0' TERM; echo $$ > "$notes/worker"; while :; do sleep 0.05; done"#,
    );
    let runtime = open(&place, &[("STOP_GRACE_SECONDS", "30")]);
    let worker = start(&runtime).await;
    place.process("worker").await;

    runtime.stop(worker).await.unwrap();

    assert_eq!(place.note("bye").await, "bye");
    let exit = Exit {
        how: ExitKind::Code(0),
        stopped: true,
    };
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Ended(exit)));
}

#[tokio::test]
async fn a_worker_does_not_outlive_its_keeper() {
    let place = Place::with_worker(LEAVES_MUCH_BEHIND);
    let runtime = open(&place, &[]);
    let mut exits = runtime.exits();
    let worker = start(&runtime).await;
    let marked = [
        place.process("worker").await,
        place.process("session").await,
        place.process("orphan").await,
    ];

    keeper(&place, worker).signal(Signal::KILL).unwrap();

    let told = tokio::time::timeout(PATIENCE, exits.next()).await.unwrap();
    assert_eq!(told, Some(worker));
    let exit = Exit {
        how: ExitKind::Unknown,
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    for process in marked {
        assert!(!process.is_alive().unwrap(), "pid {} survived", process.pid);
    }
    assert!(!place.attempt(worker).join("credentials").exists());
    // What cleared its environment lost its last tie with the keeper; nobody else can know whose it is.
    place.process("cleared").await.signal(Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_keeper_whose_directory_was_removed_ends_its_worker_and_itself() {
    let place = Place::with_worker(LEAVES_MUCH_BEHIND);
    let runtime = open(&place, &[]);
    let worker = start(&runtime).await;
    let mut processes = vec![keeper(&place, worker)];
    for name in ["worker", "session", "cleared", "orphan"] {
        processes.push(place.process(name).await);
    }

    fs::remove_dir_all(place.attempt(worker)).unwrap();

    for process in processes {
        wait_until_gone("what nobody would find again", process).await;
    }
}

#[tokio::test]
async fn a_restarted_orchestrator_takes_up_the_workers_that_run() {
    let place = Place::with_worker(r#"echo $$ > "$notes/worker"; exec sleep 1000"#);
    let before = open(&place, &[]);
    let worker = start(&before).await;
    let process = place.process("worker").await;
    let instance = before.instance().to_owned();
    drop(before);

    let runtime = open(&place, &[]);

    assert_eq!(runtime.instance(), instance);
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Running));
    assert!(process.is_alive().unwrap());
    let mut exits = runtime.exits();
    process.signal(Signal::TERM).unwrap();
    let told = tokio::time::timeout(PATIENCE, exits.next()).await.unwrap();
    assert_eq!(told, Some(worker));
    let exit = Exit {
        how: ExitKind::Signal(15),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
}

#[tokio::test]
async fn an_end_that_no_orchestrator_saw_is_known_all_the_same() {
    let place = Place::with_worker(r#"echo $$ > "$notes/worker"; exec sleep 1000"#);
    let before = open(&place, &[]);
    let worker = start(&before).await;
    drop(before);
    let (process, keeper) = (place.process("worker").await, keeper(&place, worker));
    process.signal(Signal::KILL).unwrap();
    wait_until_gone("the keeper", keeper).await;

    let runtime = open(&place, &[]);

    let exit = Exit {
        how: ExitKind::Signal(9),
        stopped: false,
    };
    assert_eq!(state(&runtime, worker).await, Some(AttemptState::Ended(exit)));
}

#[tokio::test]
async fn an_attempt_whose_keeper_never_came_is_given_up_for_good() {
    let place = Place::with_worker("exec sleep 1000");
    let runtime = open(&place, &[]);
    let worker = start(&runtime).await;
    runtime.stop(worker).await.unwrap();
    // As an orchestrator leaves it that dies between making the directory and starting the keeper.
    let (given_up, attempt) = (WorkerId::new(), place.attempt(worker));
    let record = fs::read_to_string(attempt.join("attempt.json")).unwrap();
    let directory = place.attempt(given_up);
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
    // A keeper that comes late finds that out and starts nothing.
    let late = tokio::process::Command::new(orchestrator_program())
        .args(["keep-attempt", "--grace-milliseconds", "100", "--directory"])
        .arg(&directory)
        .arg(place.worker())
        .env_clear()
        .output()
        .await
        .unwrap();
    assert!(!late.status.success());
    let told = String::from_utf8_lossy(&late.stderr);
    assert!(
        told.contains("the attempt was given up before its keeper came to it"),
        "{told}"
    );
}

#[tokio::test]
async fn a_start_that_fails_leaves_neither_process_nor_credentials() {
    let place = Place::with_worker("");
    // An executable file that is no program.
    fs::write(place.worker(), [0x7f, b'E', b'L', b'F', 0, 0]).unwrap();
    let runtime = open(&place, &[]);
    let spec = spec();
    let worker = spec.worker_id;

    let error = runtime.start(spec).await.unwrap_err();

    let told = whim_service::chain::chain(&error).to_string();
    assert!(
        told.contains(&format!("starting {}", place.worker().display())),
        "{told}"
    );
    assert!(matches!(
        state(&runtime, worker).await,
        Some(AttemptState::Ended(_))
    ));
    assert!(!place.attempt(worker).join("credentials").exists());
    assert_eq!(
        find_by_environment("WHIM_ATTEMPT", &worker.to_string()).unwrap(),
        []
    );
}

#[tokio::test]
async fn a_missing_worker_program_is_told_before_anything_is_made() {
    let place = Place::with_worker("");
    let runtime = open(&place, &[("WORKER_BIN", "/nonexistent/whim-worker")]);

    let health = runtime.health().await.unwrap_err();
    assert_eq!(
        health.to_string(),
        "there is no program /nonexistent/whim-worker: set WORKER_BIN"
    );
    runtime.start(spec()).await.unwrap_err();
    assert_eq!(runtime.list().await.unwrap(), []);
}

#[tokio::test]
async fn a_directory_of_workspaces_belongs_to_one_orchestrator_at_a_time() {
    let place = Place::with_worker("");
    let first = open(&place, &[]);

    let refused = ProcessRuntime::open(&place.runtime_config(&[]), orchestrator_program()).unwrap_err();
    assert!(
        refused.to_string().contains("is used by another orchestrator"),
        "{refused}"
    );

    drop(first);
    open(&place, &[]);
}

#[tokio::test]
async fn only_old_attempts_of_our_own_are_removed() {
    let place = Place::with_worker(r#"case "$(cat "$CREDENTIALS_DIR/worker-token")" in *) exit 0;; esac"#);
    let runtime = open(&place, &[]);
    let ended = start(&runtime).await;
    wait_for_end(&runtime, ended).await;
    let strangers = [
        place.workspaces().join("notes.txt"),
        place.workspaces().join(WorkerId::new().to_string()),
    ];
    fs::write(&strangers[0], "mine").unwrap();
    fs::create_dir(&strangers[1]).unwrap();

    assert_eq!(runtime.clean(Duration::from_hours(1)).await.unwrap().attempts, 0);
    assert!(place.attempt(ended).exists());

    assert_eq!(runtime.clean(Duration::ZERO).await.unwrap().attempts, 1);
    assert!(!place.attempt(ended).exists());
    assert!(strangers.iter().all(|path| path.exists()));
    assert_eq!(runtime.logs(ended, 100).await.unwrap(), None);
}

#[tokio::test]
async fn root_runs_workers_as_the_user_that_was_named() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::with_worker(
        r#"id -u > "$notes/user"; id -G > "$notes/groups"; touch "$HOME/mine" "$WORKSPACE_DIR/mine"
        cat "$WORKSPACE_DIR/../attempt.json" > /dev/null 2>&1 && echo readable > "$notes/record" || echo closed > "$notes/record"
        { env | grep -c '^IS_SANDBOX=' ; true; } > "$notes/sandbox"; exit 0"#,
    );
    let runtime = open(&place, &[("WORKER_USER", "nobody")]);
    let worker = start(&runtime).await;

    let nobody = place.note("user").await.parse::<u32>().unwrap();
    assert_ne!(nobody, 0);
    assert_ne!(place.note("groups").await, "0");
    assert_eq!(place.note("record").await, "closed");
    assert_eq!(place.note("sandbox").await, "0");
    let exit = Exit {
        how: ExitKind::Code(0),
        stopped: false,
    };
    assert_eq!(wait_for_end(&runtime, worker).await, exit);
    let metadata = place.attempt(worker).metadata().unwrap();
    assert_eq!(
        (metadata.uid(), metadata.permissions().mode() & 0o777),
        (0, 0o711)
    );

    let refused = ProcessRuntime::open(
        &Place::with_worker("").runtime_config(&[("WORKER_USER", "no-such-user")]),
        orchestrator_program(),
    )
    .unwrap_err();
    assert!(refused.to_string().contains("there is no such user"), "{refused}");
}

#[tokio::test]
async fn a_log_is_followed_from_its_last_lines_until_the_worker_ends() {
    let place = Place::with_worker(
        r#"echo one; echo two; echo three; echo > "$notes/printed"
        while ! [ -e "$notes/go" ]; do sleep 0.05; done; echo four; exit 0"#,
    );
    let runtime = open(&place, &[]);
    let worker = start(&runtime).await;
    place.note("printed").await;
    wait_until("the log", PATIENCE, async || {
        let log = runtime.logs(worker, 1000).await.unwrap().unwrap_or_default();
        if log.contains("three\n") { Ok(()) } else { Err(log) }
    })
    .await
    .unwrap();

    let mut log = runtime.follow(worker, 2, 1000).await.unwrap().unwrap();
    assert_eq!(log.next().await.unwrap().unwrap(), "two\nthree\n");
    fs::write(place.path().join("notes/go"), "").unwrap();
    let mut rest = Vec::new();
    while let Some(piece) = tokio::time::timeout(PATIENCE, log.next()).await.unwrap() {
        rest.extend_from_slice(&piece.unwrap());
    }

    assert_eq!(rest, b"four\n");
    assert!(runtime.follow(WorkerId::new(), 2, 1000).await.unwrap().is_none());
}
