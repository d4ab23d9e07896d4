//! Removal of what ended attempts left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use whim_core::WorkerId;
use whim_runtime::Runtime as _;
use whim_testkit::disk::SmallDisk;
use whim_testkit::wait::wait_until;
use whim_testkit::worker_fixture::WorkerFixture;

use super::world::{open, start, wait_for_end};
use crate::worker::PATIENCE;

const LONG: Duration = Duration::from_hours(1);

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
async fn the_workspace_of_an_ended_worker_is_removed_even_when_it_is_read_only_and_the_log_stays() {
    let fixture = WorkerFixture::with_script(
        r#"mkdir -p "$HOME/go/pkg/mod/example.org@v1.0.0" "$WORKSPACE_DIR/node_modules/left-pad"
        echo module > "$HOME/go/pkg/mod/example.org@v1.0.0/go.mod"
        chmod -R a-w "$HOME/go" "$WORKSPACE_DIR/node_modules"
        echo done"#,
    );
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    wait_for_end(&runtime, worker).await;

    let attempt = fixture.attempt(worker);
    wait_until("the workspace to be removed", PATIENCE, async || {
        let left: Vec<&str> = ["home", "workspace"]
            .into_iter()
            .filter(|name| attempt.join(name).exists())
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await
    .unwrap();
    let log = runtime.logs(worker, 100).await.unwrap();
    assert_eq!(log.as_deref(), Some("done\n"));
}

#[tokio::test]
async fn a_workspace_that_the_shim_did_not_remove_is_removed_by_the_orchestrator() {
    let fixture = WorkerFixture::with_script("exit 0");
    let runtime = open(&fixture, &[]);
    let worker = start(&runtime).await;
    wait_for_end(&runtime, worker).await;
    let attempt = fixture.attempt(worker);
    let tree = attempt.join("workspace/target/debug");
    fs::create_dir_all(&tree).unwrap();
    fs::set_permissions(&tree, fs::Permissions::from_mode(0o500)).unwrap();

    let cleaned = runtime.clean(LONG).await.unwrap();

    assert_eq!((cleaned.attempts, cleaned.failed), (0, Vec::new()));
    assert!(!attempt.join("workspace").exists());
    assert!(attempt.join("worker.log").exists());
}

#[tokio::test]
async fn an_attempt_that_cannot_be_removed_is_reported_and_does_not_keep_the_others() {
    let fixture = WorkerFixture::with_script("exit 0");
    let runtime = open(&fixture, &[]);
    let (broken, other) = (start(&runtime).await, start(&runtime).await);
    for worker in [broken, other] {
        wait_for_end(&runtime, worker).await;
    }
    let record = fixture.attempt(broken).join("exit.json");
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();

    let cleaned = runtime.clean(Duration::ZERO).await.unwrap();

    assert_eq!(cleaned.attempts, 1);
    assert!(!fixture.attempt(other).exists());
    let failed: Vec<WorkerId> = cleaned.failed.iter().map(|(worker, _why)| *worker).collect();
    assert_eq!(failed, [broken]);
}

#[tokio::test]
async fn low_disk_space_removes_the_oldest_ended_attempts_until_there_is_enough() {
    const MIB: u64 = 1024 * 1024;
    let Some(disk) = SmallDisk::mount(64 * MIB).unwrap() else {
        return;
    };
    let workspaces = disk.path().join("workspaces");
    let fixture = WorkerFixture::with_script("exit 0");
    let settings = [
        ("WORKSPACES_DIR", workspaces.to_str().unwrap()),
        ("WORKSPACES_MIN_FREE", "36m"),
    ];
    let runtime = open(&fixture, &settings);
    let mut attempts = Vec::new();
    for age in [30, 20, 10] {
        let worker = start(&runtime).await;
        wait_for_end(&runtime, worker).await;
        let attempt = workspaces.join(worker.to_string());
        fs::write(attempt.join("worker.log.1"), vec![0; 12 * 1024 * 1024]).unwrap();
        let exit = fs::File::options()
            .write(true)
            .open(attempt.join("exit.json"))
            .unwrap();
        exit.set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
        attempts.push(attempt);
    }

    let cleaned = runtime.clean(LONG).await.unwrap();

    assert_eq!((cleaned.attempts, cleaned.removed_for_space), (0, 1));
    let exist: Vec<bool> = attempts.iter().map(|attempt| attempt.exists()).collect();
    assert_eq!(exist, [false, true, true]);
    drop(runtime);
}
