//! The agent asks before it edits, and what shell commands changed is locked afterwards.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use whim_testkit::wait::wait_until;

use crate::orchestrator::FakeBehavior;
use crate::world::{FILES, HAPPY, WORKER_TOKEN, World};

const PATIENCE: Duration = Duration::from_secs(60);
const OTHERS_BRANCH: &str = "whim/9-other";

/// Asks as Claude Code would: runs the hook that `ralph` was given. Notes its exit code and what it said.
const ASK: &str = r#"
ask() {
    set -- "$1" $(awk '/^--pre-edit-hook$/ { getline; print }' "$control/arguments")
    question='{"cwd":"'"$PWD"'","tool_name":"Edit","tool_input":{"file_path":"'"$1"'","new_string":"x"}}'
    shift
    code=0
    printf '%s' "$question" | env -i "$@" 2> "$control/said" || code=$?
    echo "$code" >> "$control/codes"
}
"#;

async fn world(script: &str) -> anyhow::Result<World> {
    World::new(FILES, &format!("{ASK}\n{script}")).await
}

async fn noticed(world: &World, words: &str) -> anyhow::Result<()> {
    wait_until(&format!("the notice of {words}"), PATIENCE, async || {
        let notices = world.orchestrator.notices();
        if notices.iter().any(|notice| notice.contains(words)) {
            Ok(())
        } else {
            Err(format!("{notices:?}"))
        }
    })
    .await
}

#[tokio::test]
async fn an_edit_waits_until_the_file_is_unlocked() -> anyhow::Result<()> {
    let script = "begin; ask greeting.txt; ask ./greeting.txt; greet; part; complete";
    let world = world(script).await?;
    world.hold_lock("greeting.txt", OTHERS_BRANCH)?;
    let worker = world.start()?;
    noticed(&world, "The agent waits for greeting.txt").await?;
    assert!(world.note("codes").is_err(), "the hook has not answered yet");

    world.release_lock("greeting.txt")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.note("codes")?, "0\n0\n");
    noticed(&world, "greeting.txt is free again").await?;
    let asked: Vec<_> = world
        .orchestrator
        .lock_requests()
        .into_iter()
        .filter(|lock| !lock.after)
        .collect();
    assert_eq!(asked.len(), 1, "what is held is not asked for again: {asked:?}");
    Ok(())
}

#[tokio::test]
async fn an_edit_is_denied_after_the_lock_wait_timeout() -> anyhow::Result<()> {
    let world = world("begin; ask greeting.txt; ask farewell.txt; greet; part; complete")
        .await?
        .with("LOCK_WAIT_TIMEOUT_SECONDS", "0.7");
    world.hold_lock("greeting.txt", OTHERS_BRANCH)?;

    world.run_expecting(0).await?;

    // Another file can be edited meanwhile.
    assert_eq!(world.note("codes")?, "2\n0\n");
    let refused = world.orchestrator.notices();
    let refused = refused
        .iter()
        .find(|notice| notice.contains("may not edit greeting.txt"));
    assert!(
        refused.is_some_and(|notice| notice.contains(OTHERS_BRANCH)),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn the_reason_of_a_denial_names_the_holder_and_what_to_do() -> anyhow::Result<()> {
    let world = world("begin; ask greeting.txt; greet; part; complete")
        .await?
        .with("LOCK_WAIT_TIMEOUT_SECONDS", "0.1");
    let holder = world.hold_lock("greeting.txt", OTHERS_BRANCH)?;

    world.run_expecting(0).await?;

    let said = world.note("said")?;
    for part in [
        &holder.work_item_id.to_string(),
        OTHERS_BRANCH,
        "another task",
        ".ai/stuck.md",
    ] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn files_that_are_not_shared_need_no_lock() -> anyhow::Result<()> {
    let world = world("begin; for file in SPEC.md .ai/stuck.md .git/config /tmp/x ../x; do ask $file; done; greet; part; complete").await?;

    world.run_expecting(0).await?;

    assert_eq!(world.note("codes")?, "0\n".repeat(5));
    let locked = world.orchestrator.lock_requests();
    assert!(locked.iter().all(|lock| lock.after), "{locked:?}");
    Ok(())
}

#[tokio::test]
async fn files_changed_by_shell_commands_are_locked_afterwards_and_a_conflict_is_reported_once() -> anyhow::Result<()>
{
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
    let told = notices
        .iter()
        .filter(|notice| notice.contains("farewell.txt was changed although"));
    assert_eq!(told.count(), 1, "{notices:?}");
    Ok(())
}

// docs/faults.md, row 32.
#[tokio::test]
async fn an_edit_is_allowed_with_a_notice_while_the_orchestrator_is_unavailable()
-> anyhow::Result<()> {
    let world =
        world("begin; signal begun; await go; ask greeting.txt; signal asked; await end; greet; part; complete")
            .await?;
    let worker = world.start()?;
    world.signalled("begun").await?;

    world.set_orchestrator(FakeBehavior::Unavailable);
    world.signal("go")?;
    world.signalled("asked").await?;
    world.set_orchestrator(FakeBehavior::Normal);
    world.signal("end")?;
    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.note("codes")?, "0\n");
    noticed(&world, "the agent edits without locks").await?;
    // It is locked as soon as that is possible again.
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
    let desk = world.attempt_directory().join("workspace/desk");
    assert_eq!(std::fs::metadata(&desk)?.permissions().mode() & 0o777, 0o700);
    let long = format!("{{\"path\":\"{}\"}}\n", "x".repeat(100_000));
    for line in [
        "\n",
        "{}\n",
        "GET / HTTP/1.1\r\n\r\n",
        "{\"path\":\"a\",\"files\":[\"b\"]}\n",
        "{\"unlock\":\"a\"}\n",
        &long,
    ] {
        let socket = desk.join("socket");
        let said = tokio::task::spawn_blocking({
            let line = line.to_owned();
            move || -> std::io::Result<String> {
                let mut connection = UnixStream::connect(socket)?;
                // What is not read any more is a broken pipe, which is as good an answer.
                let _written = connection.write_all(line.as_bytes());
                let mut said = String::new();
                let _closed = connection.read_to_string(&mut said);
                Ok(said)
            }
        })
        .await??;
        assert_eq!(said, "", "{line:.40}");
    }
    assert_eq!(world.orchestrator.lock_requests(), []);

    world.signal("go")?;
    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let arguments = world.note("arguments")? + &world.note("environment")?;
    assert!(!arguments.contains(WORKER_TOKEN));
    Ok(())
}
