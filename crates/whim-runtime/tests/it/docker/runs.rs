//! Workers that run and end.

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use whim_core::{FailureCause, WorkerId};
use whim_runtime::{AttemptState, Exit, ExitKind, Runtime as _};
use whim_service::chain::chain;

use whim_testkit::engine::{WORKER_TEST_IMAGE, docker};

use super::world::{World, next_exit, spec};

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_has_no_rights_and_writes_nowhere_but_to_its_workspace() {
    let world = World::new();
    let worker = world
        .start(
            r#"
            id -u
            grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status
            touch /usr/local/x 2>/dev/null || echo "the system is read-only"
            touch "$WORKSPACE_DIR/x" && echo "the workspace is writable"
            [ "$HOME" = "$WORKSPACE_DIR/home" ] && echo "home is in the workspace"
            "#,
        )
        .await;

    let exit = world.wait_for_end(worker).await;

    let expected = Exit {
        how: ExitKind::Code(0),
        stopped: false,
    };
    assert_eq!(exit, expected);
    insta::assert_snapshot!(world.log(worker).await, @r"
    1000
    CapEff:	0000000000000000
    CapBnd:	0000000000000000
    NoNewPrivs:	1
    Seccomp:	2
    the system is read-only
    the workspace is writable
    home is in the workspace
    ");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn secrets_are_files_of_the_worker_and_nowhere_else() {
    let world = World::new();
    let worker = world
        .start(
            r#"
            cd "$CREDENTIALS_DIR"
            stat -c '%n %a %u' *
            cat worker-token && echo
            stat -f -c %T .
            cat /proc/*/environ 2>/dev/null | tr '\0' '\n' | grep -c 'c[a]nary'
            rm *
            echo done
            sleep 1000
            "#,
        )
        .await;

    world.wait_for_line(worker, "done").await;

    insta::assert_snapshot!(world.log(worker).await, @r"
    github-token 400 1000
    worker-token 400 1000
    canary-worker-token
    tmpfs
    0
    done
    ");
    let inspected = docker(&["inspect", &world.container(worker)]);
    assert!(!inspected.contains("canary"), "{inspected}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn the_end_of_a_worker_is_told_with_its_code() {
    let world = World::new();
    let worker = world.start("read line < /dev/null; sleep 0.5; exit 3").await;

    let told = next_exit(&world.runtime, async {}).await;

    assert_eq!(told, Some(worker));
    assert_eq!(world.wait_for_end(worker).await.how, ExitKind::Code(3));
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_that_somebody_kills_crashed_and_did_not_run_out_of_memory() {
    let world = World::new();
    let worker = world.start("echo up; sleep 1000").await;
    world.wait_for_line(worker, "up").await;

    docker(&["kill", &world.container(worker)]);

    let exit = world.wait_for_end(worker).await;
    assert_eq!(exit.how, ExitKind::Signal(9));
    assert_eq!(exit.cause(), FailureCause::Crash);
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_that_runs_out_of_memory_is_told_from_one_that_was_killed() {
    let world = World::with(&[("WORKER_MEMORY", "24m")]);
    let worker = world.start("exec tail /dev/zero").await;

    let exit = world.wait_for_end(worker).await;

    assert_eq!(exit.how, ExitKind::OutOfMemory);
    assert_eq!(exit.cause(), FailureCause::OutOfMemory);
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn that_a_child_ran_out_of_memory_is_in_the_log_although_the_worker_lived_on() {
    let world = World::with(&[("WORKER_MEMORY", "24m")]);
    let worker = world
        .start("tail /dev/zero; echo \"the worker lives\"; exit 2")
        .await;

    let exit = world.wait_for_end(worker).await;

    assert_eq!(exit.how, ExitKind::Code(2));
    let log = world.log(worker).await;
    assert!(log.contains("the worker lives"), "{log}");
    assert!(log.contains("killed for want of memory"), "{log}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_worker_that_had_to_be_killed_when_it_was_stopped_did_not_run_out_of_memory() {
    let world = World::new();
    let worker = world
        .start("trap '' TERM; echo up; while :; do sleep 0.1; done")
        .await;
    world.wait_for_line(worker, "up").await;

    world.runtime.stop(worker).await.unwrap();

    let Some(AttemptState::Ended(exit)) = world.state(worker).await else {
        panic!("it runs still");
    };
    assert!(exit.stopped, "{exit:?}");
    assert_eq!(exit.cause(), FailureCause::Crash);
    // Again is fine, and so is one that there never was.
    world.runtime.stop(worker).await.unwrap();
    world.runtime.stop(WorkerId::new()).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_paused_worker_can_be_stopped() {
    let world = World::new();
    let worker = world.start("echo up; sleep 1000").await;
    world.wait_for_line(worker, "up").await;
    docker(&["pause", &world.container(worker)]);
    assert_eq!(world.state(worker).await, Some(AttemptState::Running));

    world.runtime.stop(worker).await.unwrap();

    assert!(matches!(world.state(worker).await, Some(AttemptState::Ended(_))));
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn limits_of_processes_hold() {
    let world = World::with(&[("WORKER_PIDS", "64")]);
    let worker = world
        .start("i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; echo unlimited")
        .await;

    world.wait_for_end(worker).await;

    let log = world.log(worker).await;
    assert!(!log.contains("unlimited"), "{log}");
    assert!(log.contains("fork"), "{log}");
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_start_that_is_repeated_finds_the_container_of_the_first() {
    let world = World::new();
    let spec = spec("echo up; sleep 1000");
    let first = world.runtime.start(spec.clone()).await.unwrap();
    world.wait_for_line(spec.worker_id, "up").await;

    let second = world.runtime.start(spec.clone()).await.unwrap();

    assert_eq!(first, second);
    assert_eq!(world.runtime.list().await.unwrap().len(), 1);
    assert_eq!(world.container(spec.worker_id), spec.name());
}

// ATTACKS.md, row 38.
#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn an_image_that_is_pinned_by_its_digest_is_that_image_or_none() {
    let digest = docker(&["inspect", "--format", "{{.Id}}", WORKER_TEST_IMAGE]);
    let pinned = World::with(&[("WORKER_IMAGE", &digest)]);
    let worker = pinned.start("echo the very image").await;
    pinned.wait_for_end(worker).await;
    assert_eq!(pinned.log(worker).await, "the very image\n");

    let other = format!("sha256:{}", "0".repeat(64));
    let of_this_name = format!("{}@{other}", WORKER_TEST_IMAGE.split(':').next().unwrap());
    for wrong in [other, of_this_name] {
        let world = World::with(&[("WORKER_IMAGE", &wrong)]);
        let error = world.runtime.start(spec("true")).await.unwrap_err();
        let error = chain(&error).to_string();
        assert!(
            error.contains(&format!("the engine has no image {wrong}")),
            "{error}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn the_log_can_be_read_while_the_worker_runs_and_after_it_ended() {
    let world = World::new();
    let worker = world
        // As the real worker does: a shell says in the log by which signal its child ended.
        .start("trap 'exit 5' TERM; echo first >&2; sleep 0.5; echo second; sleep 1000 & wait")
        .await;

    world.wait_for_line(worker, "second").await;
    world.runtime.stop(worker).await.unwrap();

    assert_eq!(world.log(worker).await, "first\nsecond\n");
    assert_eq!(
        world.runtime.logs(worker, 4).await.unwrap().as_deref(),
        Some("ond\n")
    );
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_log_is_followed_from_its_last_lines_to_the_end_of_the_worker() {
    let world = World::new();
    let worker = world
        .start(
            "echo first; echo second; until [ -e \"$WORKSPACE_DIR/go\" ]; do sleep 0.1; done; echo third >&2",
        )
        .await;
    world.wait_for_line(worker, "second").await;

    let mut log = world.runtime.follow(worker, 1, 1000).await.unwrap().unwrap();
    let now = log.next().await.unwrap().unwrap();
    assert_eq!(&now[..], b"second\n");
    let go = "touch \"$WORKSPACE_DIR/go\"";
    docker(&["exec", &world.container(worker), "sh", "-c", go]);

    let rest: Vec<Bytes> = log.try_collect().await.unwrap();
    assert_eq!(rest.concat(), b"third\n");
    let nobody = world.runtime.follow(WorkerId::new(), 1, 1000).await.unwrap();
    assert!(nobody.is_none());
}

#[tokio::test]
#[ignore = "needs a container engine: scripts/ci/docker.sh"]
async fn a_flood_of_output_fills_no_disk_and_no_memory() {
    /// What the engine may keep: three files of 10 MB, and a little more in the one that is written.
    const MEGABYTES: u64 = 32;
    let world = World::new();
    // More than is kept, in short lines and in one without an end.
    let worker = world
        .start("yes $(printf '%01000d' 0) | head -c 60000000; head -c 60000000 /dev/zero | tr '\\0' x; echo; echo the end")
        .await;

    world.wait_for_end(worker).await;

    let path = docker(&["inspect", "--format", "{{.LogPath}}", &world.container(worker)]);
    let directory = std::path::Path::new(&path).parent().unwrap().to_str().unwrap();
    let mount = format!("{directory}:/log:ro");
    let megabytes = docker(&[
        "run",
        "--rm",
        "--user",
        "0:0",
        "--network",
        "none",
        "--volume",
        &mount,
        "--entrypoint",
        "du",
        WORKER_TEST_IMAGE,
        "--summarize",
        "--block-size=1M",
        "/log",
    ]);
    let megabytes: u64 = megabytes.split_whitespace().next().unwrap().parse().unwrap();
    assert!(megabytes <= MEGABYTES, "{megabytes} MB are kept");
    let tail = world.runtime.logs(worker, 1000).await.unwrap().unwrap();
    assert!(tail.len() <= 1000 && tail.ends_with("the end\n"), "{tail}");
}
