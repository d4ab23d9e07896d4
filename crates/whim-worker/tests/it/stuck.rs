use whim_core::FailureCause;

use crate::world::{FILES, REPO, World};

#[tokio::test]
async fn the_agents_note_is_the_reason() -> anyhow::Result<()> {
    let script = r#"begin; greet; echo 'The key for the payment provider is missing.' > "$state/stuck.md"
        emit '{"event":"stuck","reason":"no progress","iterations_without_progress":3}'; exit 1"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(3).await?;

    let stuck = world.stuck()?;
    assert_eq!(
        stuck.reason,
        "the agent wrote why it cannot continue:\n\nThe key for the payment provider is missing."
    );
    assert_eq!((stuck.iterations_without_progress, stuck.iterations), (3, 1));
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn completed_tasks_are_kept_for_the_next_attempt() -> anyhow::Result<()> {
    let script = r#"begin; greet
        emit '{"event":"stuck","reason":"3 iterations in a row changed nothing","iterations_without_progress":3}'; exit 1"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(3).await?;

    assert_eq!(world.stuck()?.reason, "3 iterations in a row changed nothing");
    let (spec, head) = world.orchestrator.checkpoint().unwrap();
    assert_eq!(Some(head), world.branch_head());
    assert!(
        spec.contains("- [x] Add a greeting\n- [ ] Add a farewell"),
        "{spec}"
    );
    Ok(())
}

#[tokio::test]
async fn used_up_iterations_have_their_own_failure_cause() -> anyhow::Result<()> {
    let script = r#"begin; greet; emit '{"event":"failed","error":"1 iteration did not do it all"}'; exit 2"#;
    let world = World::new(FILES, script).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::IterationsUsedUp);
    assert_eq!(
        failure.reason,
        "the attempt used all of its iterations (1 iteration); 1 of 2 tasks are done"
    );
    Ok(())
}

#[tokio::test]
async fn ticks_without_commits_do_not_count() -> anyhow::Result<()> {
    let script = "begin; tick 0 'Add a greeting'; tick 1 'Add a farewell'; complete";
    let world = World::new(FILES, script).await?;

    world.run_expecting(3).await?;

    assert_eq!(
        world.stuck()?.reason,
        "every task is ticked, but there are no commits"
    );
    assert_eq!(world.branch_head(), None);
    assert_eq!(world.orchestrator.checkpoint(), None);
    Ok(())
}
