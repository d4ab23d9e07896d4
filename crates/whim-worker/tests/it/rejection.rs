//! Ticks count only if nothing is left behind and nothing that was pushed is lost; otherwise the agent receives a correction.

use whim_core::FailureCause;

use crate::world::{BRANCH, FILES, REPO, World};

fn subjects(world: &World) -> Vec<String> {
    let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
    commits.into_iter().rev().map(|commit| commit.subject).collect()
}

#[tokio::test]
async fn a_file_that_was_left_uncommitted_is_committed_by_the_next_agent() -> anyhow::Result<()> {
    let script = r#"begin
        if first; then greet; signal half; await go; echo goodbye > farewell.txt; tick 1 'Add a farewell'
        else part; fi; complete"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.first_tick().await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let correction = world.script_output("correction")?;
    assert!(correction.contains("\n- farewell.txt\n"), "{correction}");
    assert!(
        world
            .script_output("spec-at-start")?
            .contains("- [x] Add a greeting\n- [ ] Add a farewell"),
        "the task is not open again"
    );
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "farewell.txt").as_deref(),
        Some("goodbye\n")
    );
    let arguments = world.script_output("arguments")?;
    assert!(
        arguments.contains("\n-n\n8\n"),
        "the iteration did not count: {arguments}"
    );
    assert_eq!(world.completion()?.iterations, 3);
    Ok(())
}

#[tokio::test]
async fn a_tick_without_its_commit_does_not_survive_a_crash() -> anyhow::Result<()> {
    let script = r#"begin; greet; signal half; await go
        iteration 2; echo goodbye > farewell.txt; tick 1 'Add a farewell'; kill -9 $$"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.first_tick().await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    let (spec, head) = world.orchestrator.checkpoint().unwrap();
    assert!(
        spec.contains("- [x] Add a greeting\n- [ ] Add a farewell"),
        "{spec}"
    );
    assert_eq!(Some(head), world.branch_head());
    Ok(())
}

#[tokio::test]
async fn files_that_are_never_committed_end_the_attempt_as_stuck_and_are_named() -> anyhow::Result<()> {
    let script = "begin; if first; then greet; signal half; await go; fi; iteration 2; echo goodbye > farewell.txt; \
        tick 1 'Add a farewell'; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.first_tick().await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(3), "{}", ended.log);
    let reason = world.stuck()?.reason;
    assert_eq!(
        reason,
        "tasks are ticked, but these files are not committed:\n\n- farewell.txt"
    );
    let (spec, head) = world.orchestrator.checkpoint().unwrap();
    assert!(spec.contains("- [ ] Add a farewell"), "{spec}");
    assert_eq!(Some(head), world.branch_head());
    assert!(world.github.pulls(REPO).is_empty());
    Ok(())
}

#[tokio::test]
async fn ignored_files_caches_and_lfs_content_are_not_left_behind() -> anyhow::Result<()> {
    let files = [
        FILES,
        &[
            (".gitignore", "*.log\n"),
            (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n"),
            ("logo.bin", "version https://git-lfs.github.com/spec/v1\n"),
        ],
    ]
    .concat();
    let script = r#"begin; greet
        echo content > logo.bin; echo x > test.log; mkdir -p __pycache__ node_modules/x
        touch __pycache__/a.pyc node_modules/x/y scratch; echo scratch >> .git/info/exclude
        part; complete"#;
    let world = World::new(&files, script).await?;

    world.run_expecting(0).await?;

    assert!(
        world.script_output("correction").is_err(),
        "the agent was started again"
    );
    Ok(())
}

/// Replaces the work of the first task, in several ways, and restores it as the note says.
#[tokio::test]
async fn work_of_earlier_tasks_is_never_lost() -> anyhow::Result<()> {
    for how in [
        "git reset -q --hard HEAD~1",
        "git checkout -q -b elsewhere HEAD~1",
        "git checkout -q --detach origin/main",
        "git commit -q --amend --message 'Add a better greeting'",
        "git checkout -q --orphan fresh",
    ] {
        let script = format!(
            r#"begin
            if first; then greet; signal half; await go; {how}; part
            else
                kept=$(grep -o '[0-9a-f]\{{40\}}' "$state/correction.md" | head -n 1)
                git merge -q --no-edit --allow-unrelated-histories -X ours "$kept"
                committed merge; tick 1 'Add a farewell'
            fi; complete"#
        );
        let world = World::new(FILES, &script).await?;
        let worker = world.start()?;
        let first = world.pushed(1).await?;
        world.first_tick().await?;
        world.signal("go")?;

        let ended = worker.ended().await?;

        assert_eq!(ended.code, Some(0), "{how}: {}", ended.log);
        assert!(world.script_output("correction")?.contains(&first), "{how}");
        let subjects = subjects(&world);
        assert!(
            subjects.contains(&"Add a greeting".to_owned()),
            "{how}: {subjects:?}"
        );
        assert_eq!(
            world.github.read_file(REPO, BRANCH, "farewell.txt").as_deref(),
            Some("goodbye\n"),
            "{how}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_agent_that_stays_elsewhere_pushes_nothing_more() -> anyhow::Result<()> {
    let script = "begin; if first; then greet; signal half; await go; fi; git checkout -q -B other origin/main; \
        iteration 2; commit farewell.txt goodbye 'Add a farewell'; tick 0 'Add a greeting'; tick 1 'Add a farewell'; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    let first = world.pushed(1).await?;
    world.first_tick().await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert!(
        failure.reason.contains("does not contain the earlier commits"),
        "{}",
        failure.reason
    );
    assert_eq!(world.branch_head(), Some(first));
    let (spec, _) = world.orchestrator.checkpoint().unwrap();
    assert!(
        spec.contains("- [x] Add a greeting\n- [ ] Add a farewell"),
        "{spec}"
    );
    Ok(())
}

#[tokio::test]
async fn a_commit_may_be_amended_until_its_task_is_ticked() -> anyhow::Result<()> {
    let script = "begin; iteration 1; commit greeting.txt hello 'Add a greeting'; signal half; await go; \
        git commit -q --amend --message 'Add a better greeting'; committed amended; tick 0 'Add a greeting'; \
        iteration_done 1; part; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.pushed(1).await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(subjects(&world), ["Add a better greeting", "Add a farewell"]);
    Ok(())
}

#[tokio::test]
async fn commits_before_the_attempt_are_kept() -> anyhow::Result<()> {
    let world = World::new(
        FILES,
        "begin; git reset -q --hard origin/main; if first; then greet; part; else tick 0 'Add a greeting'; \
         tick 1 'Add a farewell'; fi; complete",
    )
    .await?;
    let before = world
        .github
        .commit_files(REPO, BRANCH, "Before", &[("before.txt", "before")]);

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert!(failure.reason.contains(&before), "{}", failure.reason);
    assert_eq!(world.branch_head(), Some(before));
    Ok(())
}
