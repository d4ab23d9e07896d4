use whim_core::FailureCause;

use crate::world::{FILES, HAPPY, REPO, World};

#[tokio::test]
async fn a_killed_ralph_is_a_crash_with_its_last_output() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; echo 'segfault at 0' >&2; kill -9 $$").await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert_eq!(failure.reason, "ralph was killed by signal 9\n\nsegfault at 0");
    assert_eq!(failure.iterations, 1);
    assert!(
        world.branch_head().is_some(),
        "the commit before the crash was not pushed"
    );
    Ok(())
}

#[tokio::test]
async fn the_error_of_ralph_is_the_reason() -> anyhow::Result<()> {
    let world = World::new(
        FILES,
        r#"emit '{"event":"failed","error":"there is no SPEC.md"}'; exit 3"#,
    )
    .await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.reason, "ralph failed: there is no SPEC.md");
    Ok(())
}

#[tokio::test]
async fn success_with_open_tasks_is_a_crash() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; complete").await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert_eq!(
        failure.reason,
        "ralph reported that every task is done, but 1 of 2 tasks of the checklist are open"
    );
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn reworded_tasks_do_not_count_as_done() -> anyhow::Result<()> {
    let script = "begin; greet; sed -i 's/- \\[ \\] Add a farewell/- [x] Nothing/' \"$spec\"; complete";
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    assert!(
        world
            .failure()?
            .reason
            .contains("1 of 2 tasks of the checklist are open")
    );
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_named() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY)
        .await?
        .with("RALPH_BIN", "/nowhere/ralph");

    world.run_expecting(2).await?;

    let reason = world.failure()?.reason;
    assert!(reason.starts_with("starting /nowhere/ralph: "), "{reason}");
    Ok(())
}

#[tokio::test]
async fn failures_of_the_model_api_have_their_own_causes() -> anyhow::Result<()> {
    for (kind, cause, reason) in [
        (
            "provider_limited",
            FailureCause::ModelLimited,
            "the model API limits the rate of requests: the message",
        ),
        (
            "provider_unavailable",
            FailureCause::ModelUnavailable,
            "the model API is not available: the message",
        ),
        (
            "provider_refused",
            FailureCause::ModelRefused,
            "the model API rejected the credentials or the model: the message",
        ),
    ] {
        let script = format!(
            r#"begin; greet
            emit '{{"event":"warning","type":"{kind}","message":"the message"}}'
            emit '{{"event":"failed","error":"the model provider has trouble"}}'; exit 3"#,
        );
        let world = World::new(FILES, &script).await?;

        world.run_expecting(2).await?;

        let failure = world.failure()?;
        assert_eq!((failure.cause, failure.reason.as_str()), (cause, reason));
        assert_eq!(failure.retry_after_seconds, None);
    }
    Ok(())
}

#[tokio::test]
async fn the_reset_time_of_a_model_rate_limit_is_reported() -> anyhow::Result<()> {
    let reset = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let script = format!(
        r#"begin; greet
        emit '{{"event":"warning","type":"provider_limited","message":"limited","resets_at":"{}"}}'
        emit '{{"event":"failed","error":"the model provider limits us"}}'; exit 3"#,
        reset.to_rfc3339()
    );
    let world = World::new(FILES, &script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::ModelLimited);
    let wait = failure.retry_after_seconds.unwrap();
    assert!((3500..=3600).contains(&wait), "{wait}");
    Ok(())
}

#[tokio::test]
async fn a_recovered_model_api_is_not_the_cause_of_a_later_failure() -> anyhow::Result<()> {
    let script = r#"begin
        emit '{"event":"warning","type":"provider_unavailable","message":"529"}'
        tool greeting.txt; emit '{"event":"failed","error":"out of ideas"}'; exit 3"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.cause, FailureCause::Crash);
    Ok(())
}

#[tokio::test]
async fn a_silent_ralph_is_terminated() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; exec sleep 1000")
        .await?
        .with("RALPH_IDLE_TIMEOUT_SECONDS", "0.5");

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert_eq!(
        failure.reason,
        "ralph printed nothing for too long and was terminated"
    );
    Ok(())
}

#[tokio::test]
async fn another_program_in_place_of_ralph_is_not_a_stuck_agent() -> anyhow::Result<()> {
    let script = "echo \"error: unexpected argument '--headless' found\" >&2; exit 1";
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert_eq!(
        failure.reason,
        "ralph exited with the code 1 without the event `stuck`: check that RALPH_BIN names ralph of this release\n\n\
         error: unexpected argument '--headless' found"
    );
    Ok(())
}

/// Another build of ralph counts tasks from 1, and reports no commits.
#[tokio::test]
async fn events_of_another_build_of_ralph_are_understood() -> anyhow::Result<()> {
    let script = r#"begin; iteration 1; echo hello > greeting.txt; git add .; git commit -qm greet; mark 'Add a greeting'
        emit '{"event":"task_complete","index":1,"text":"Add a greeting"}'; iteration_done 1; signal half; await never"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.signalled("half").await?;
    world.pushed(1).await?;

    whim_testkit::wait::wait_until("the tick", std::time::Duration::from_secs(20), async || {
        let checkpoint = world.orchestrator.checkpoint();
        let ticked = checkpoint.filter(|(spec, _)| spec.contains("[x] Add a greeting\n- [ ]"));
        ticked.map(drop).ok_or("no tick yet")
    })
    .await?;
    worker.signal(rustix::process::Signal::KILL)?;
    worker.ended().await?;
    Ok(())
}
