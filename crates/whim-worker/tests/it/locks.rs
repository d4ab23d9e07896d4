//! Locks before edits, and locks of files changed by shell commands.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use whim_testkit::wait::wait_until;

use crate::world::{FILES, FakeBehavior, HAPPY, WORKER_TOKEN, World};

const TIMEOUT: Duration = Duration::from_secs(60);
const OTHERS_BRANCH: &str = "whim/9-other";

/// Runs the hook passed to `ralph` as Claude Code does. Records its exit code and output.
const LOCK: &str = r#"
lock() {
    set -- "$1" $(awk '/^--pre-edit-hook$/ { getline; print }' "$control/arguments")
    edit='{"cwd":"'"$PWD"'","tool_name":"Edit","tool_input":{"file_path":"'"$1"'","new_string":"x"}}'
    shift
    code=0
    printf '%s' "$edit" | env -i "$@" 2> "$control/hook-output" || code=$?
    echo "$code" >> "$control/codes"
}
"#;

async fn world(script: &str) -> anyhow::Result<World> {
    World::new(FILES, &format!("{LOCK}\n{script}")).await
}

async fn notice_reported(world: &World, text: &str) -> anyhow::Result<()> {
    wait_until(&format!("a notice with {text:?}"), TIMEOUT, async || {
        let notices = world.orchestrator.notices();
        if notices.iter().any(|notice| notice.contains(text)) {
            Ok(())
        } else {
            Err(format!("{notices:?}"))
        }
    })
    .await
}

#[tokio::test]
async fn an_edit_waits_until_the_file_is_unlocked() -> anyhow::Result<()> {
    let script = "begin; lock greeting.txt; lock ./greeting.txt; greet; part; complete";
    let world = world(script).await?;
    world.hold_lock("greeting.txt", OTHERS_BRANCH)?;
    let worker = world.start()?;
    notice_reported(&world, "The agent waits for greeting.txt").await?;
    assert!(world.script_output("codes").is_err(), "the hook has exited");

    world.release_lock("greeting.txt")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.script_output("codes")?, "0\n0\n");
    notice_reported(&world, "greeting.txt was unlocked").await?;
    let requests: Vec<_> = world
        .orchestrator
        .lock_requests()
        .into_iter()
        .filter(|lock| !lock.after)
        .collect();
    assert_eq!(requests.len(), 1, "a held lock was requested again: {requests:?}");
    Ok(())
}

#[tokio::test]
async fn an_edit_is_denied_after_the_lock_wait_timeout() -> anyhow::Result<()> {
    let world = world("begin; lock greeting.txt; lock farewell.txt; greet; part; complete")
        .await?
        .with("LOCK_WAIT_TIMEOUT_SECONDS", "0.7");
    world.hold_lock("greeting.txt", OTHERS_BRANCH)?;

    world.run_expecting(0).await?;

    // Another file can be edited.
    assert_eq!(world.script_output("codes")?, "2\n0\n");
    let notices = world.orchestrator.notices();
    let denial = notices
        .iter()
        .find(|notice| notice.contains("An edit of greeting.txt was denied"));
    assert!(
        denial.is_some_and(|notice| notice.contains(OTHERS_BRANCH)),
        "{notices:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_reason_of_a_denial_names_the_holder_and_what_to_do() -> anyhow::Result<()> {
    let world = world("begin; lock greeting.txt; greet; part; complete")
        .await?
        .with("LOCK_WAIT_TIMEOUT_SECONDS", "0.1");
    let holder = world.hold_lock("greeting.txt", OTHERS_BRANCH)?;

    world.run_expecting(0).await?;

    let reason = world.script_output("hook-output")?;
    for part in [
        &holder.work_item_id.to_string(),
        OTHERS_BRANCH,
        "another task",
        "`stuck.md`",
    ] {
        assert!(reason.contains(part), "{part} is missing: {reason}");
    }
    Ok(())
}

#[tokio::test]
async fn files_that_are_not_shared_need_no_lock() -> anyhow::Result<()> {
    let world = world("begin; for file in \"$spec\" \"$state/stuck.md\" .git/config /tmp/x ../x; do lock $file; done; greet; part; complete").await?;

    world.run_expecting(0).await?;

    assert_eq!(world.script_output("codes")?, "0\n".repeat(5));
    let locked = world.orchestrator.lock_requests();
    assert!(locked.iter().all(|lock| lock.after), "{locked:?}");
    Ok(())
}

#[tokio::test]
async fn files_changed_by_shell_commands_are_locked_afterwards_and_a_conflict_is_reported_once()
-> anyhow::Result<()> {
    let world = world(HAPPY).await?;
    world.hold_lock("farewell.txt", OTHERS_BRANCH)?;

    world.run_expecting(0).await?;

    let locked: Vec<String> = world
        .orchestrator
        .lock_requests()
        .into_iter()
        .filter(|lock| lock.after)
        .flat_map(|lock| lock.files)
        .map(String::from)
        .collect();
    assert_eq!(
        locked.iter().filter(|file| *file == "greeting.txt").count(),
        1,
        "{locked:?}"
    );
    assert!(locked.contains(&"farewell.txt".to_owned()), "{locked:?}");
    assert!(
        !locked.iter().any(|file| file == "SPEC.md" || file == "README.md"),
        "{locked:?}"
    );
    let notices = world.orchestrator.notices();
    let conflicts = notices
        .iter()
        .filter(|notice| notice.contains("farewell.txt was changed although"));
    assert_eq!(conflicts.count(), 1, "{notices:?}");
    Ok(())
}

// docs/faults.md, row 32.
#[tokio::test]
async fn an_edit_is_allowed_with_a_notice_while_the_orchestrator_is_unavailable() -> anyhow::Result<()> {
    let world = world(
        "begin; signal begun; await go; lock greeting.txt; signal locked; await end; greet; part; complete",
    )
    .await?;
    let worker = world.start()?;
    world.signalled("begun").await?;

    world.set_orchestrator(FakeBehavior::Unavailable);
    world.signal("go")?;
    world.signalled("locked").await?;
    world.set_orchestrator(FakeBehavior::Normal);
    world.signal("end")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.script_output("codes")?, "0\n");
    notice_reported(&world, "the agent edits without locks").await?;
    // It is locked once the orchestrator is available.
    let locked = world.orchestrator.lock_requests();
    assert!(
        locked
            .iter()
            .any(|lock| lock.files.iter().any(|file| file.as_str() == "greeting.txt")),
        "{locked:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_hook_server_accepts_only_lock_requests_and_reveals_nothing() -> anyhow::Result<()> {
    let world = world("begin; signal begun; await go; greet; part; complete").await?;
    let worker = world.start()?;
    world.signalled("begun").await?;
    let directory = world.attempt_directory().join("workspace/hook");
    assert_eq!(std::fs::metadata(&directory)?.permissions().mode() & 0o777, 0o700);
    let long = format!("{{\"path\":\"{}\"}}\n", "x".repeat(100_000));
    for line in [
        "\n",
        "{}\n",
        "GET / HTTP/1.1\r\n\r\n",
        "{\"path\":\"a\",\"files\":[\"b\"]}\n",
        "{\"unlock\":\"a\"}\n",
        &long,
    ] {
        let socket = directory.join("socket");
        let response = tokio::task::spawn_blocking({
            let line = line.to_owned();
            move || -> std::io::Result<String> {
                let mut connection = UnixStream::connect(socket)?;
                // The worker may close the connection before it has read everything.
                connection.write_all(line.as_bytes()).ok();
                let mut response = String::new();
                connection.read_to_string(&mut response).ok();
                Ok(response)
            }
        })
        .await??;
        assert_eq!(response, "", "{line:.40}");
    }
    assert_eq!(world.orchestrator.lock_requests(), []);

    world.signal("go")?;
    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let arguments = world.script_output("arguments")? + &world.script_output("environment")?;
    assert!(!arguments.contains(WORKER_TOKEN));
    Ok(())
}
