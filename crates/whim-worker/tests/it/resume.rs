use whim_core::FailureCause;
use whim_core::WorkerId;

use crate::world::{BRANCH, FILES, HAPPY, REPO, SPEC, World, commit};

const FIRST_DONE: &str = "- [x] Add a greeting\n- [ ] Add a farewell";

#[tokio::test]
async fn an_attempt_after_a_killed_worker_resumes_from_the_pushed_branch() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; signal half; await never").await?;
    let worker = world.start()?;
    world.signalled("half").await?;
    let first = world.pushed(1).await?;
    let (spec, head) =
        whim_testkit::wait::wait_until("the tick", std::time::Duration::from_secs(20), async || {
            world
                .orchestrator
                .checkpoint()
                .filter(|(spec, _)| spec.contains("[x]"))
                .ok_or("no tick yet")
        })
        .await?;
    worker.signal(rustix::process::Signal::KILL)?;
    worker.ended().await?;

    world.reassign(|registered| {
        registered.worker_id = WorkerId::new();
        registered.work_item.attempt = 2;
        registered.work_item.spec = spec;
        registered.work_item.head_sha = commit(&head).ok();
    });
    world.write_ralph("begin; part; complete")?;
    world.run_expecting(0).await?;

    assert!(world.script_output("spec-at-start")?.contains(FIRST_DONE));
    let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
    assert_eq!(commits.len(), 2);
    assert_eq!(commits[1].hash, first);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    assert!(world.orchestrator.notices()[0].contains("1 of 2 tasks are done"));
    Ok(())
}

#[tokio::test]
async fn ticks_whose_commit_is_not_on_the_branch_do_not_count() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?.assigned(|registered| {
        registered.work_item.spec = SPEC.replace("- [ ]", "- [x]");
        registered.work_item.head_sha = commit(&"a".repeat(40)).ok();
    });
    world
        .github
        .commit_files(REPO, BRANCH, "Something else", &[("else.txt", "else")]);

    world.run_expecting(0).await?;

    assert_eq!(world.script_output("spec-at-start")?, SPEC);
    Ok(())
}

#[tokio::test]
async fn ticks_of_a_deleted_branch_do_not_count() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let head = world
        .github
        .commit_files(REPO, BRANCH, "Add a greeting", &[("greeting.txt", "hello")]);
    world.github.delete_branch(REPO, BRANCH);
    let world = world.assigned(|registered| {
        registered.work_item.spec = SPEC.replacen("- [ ]", "- [x]", 1);
        registered.work_item.head_sha = commit(&head).ok();
    });

    world.run_expecting(0).await?;

    assert_eq!(world.script_output("spec-at-start")?, SPEC);
    Ok(())
}

#[tokio::test]
async fn submitted_ticks_are_kept() -> anyhow::Result<()> {
    let spec = SPEC.replacen("- [ ]", "- [x]", 1);
    let script = "begin; part; echo hello > greeting.txt; git add .; git commit -qm more; complete";
    let world = World::new(FILES, script)
        .await?
        .assigned(|registered| registered.work_item.spec = spec.clone());

    world.run_expecting(0).await?;

    assert_eq!(world.script_output("spec-at-start")?, spec);
    Ok(())
}

#[tokio::test]
async fn commits_pushed_by_others_are_not_overwritten() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; signal half; await go; part; complete").await?;
    let worker = world.start()?;
    world.pushed(1).await?;
    let theirs = world
        .github
        .commit_files(REPO, BRANCH, "By hand", &[("hand.txt", "hand")]);
    world.signal("go")?;

    assert_eq!(worker.ended().await?.code, Some(2));

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::BranchMoved);
    assert_eq!(
        failure.reason,
        "the branch was changed on GitHub by someone else during the attempt"
    );
    assert_eq!(world.branch_head(), Some(theirs));
    Ok(())
}

/// Delivers once; then the pull request ends in some way, and a person asks for another run.
async fn run_again_after(end: impl FnOnce(&World, u64)) -> anyhow::Result<World> {
    let world = World::new(FILES, HAPPY).await?;
    world.run_expecting(0).await?;
    end(&world, world.completion()?.pr_number.get());
    world.reassign(|registered| {
        registered.worker_id = WorkerId::new();
        registered.work_item.spec = SPEC.to_owned();
    });
    world.write_ralph(
        "begin; iteration 1; commit greeting.txt again 'Greet again'; tick 0 'Add a greeting'; tick 1 'Add a farewell'; complete",
    )?;
    world.run_expecting(0).await?;
    Ok(world)
}

#[tokio::test]
async fn a_run_after_a_rejected_pull_request_starts_from_the_base() -> anyhow::Result<()> {
    let world = run_again_after(|world, number| {
        world
            .github
            .set_state(REPO, number, whim_testkit::github::State::Closed);
    })
    .await?;

    let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
    let subjects: Vec<&str> = commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["Greet again"]);
    assert_eq!(world.github.pulls(REPO).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_run_with_an_open_pull_request_or_further_commits_resumes_the_branch() -> anyhow::Result<()> {
    let open = run_again_after(|_, _| {}).await?;
    assert_eq!(open.github.pulls(REPO).len(), 1);
    let by_hand = run_again_after(|world, number| {
        world
            .github
            .set_state(REPO, number, whim_testkit::github::State::Closed);
        world
            .github
            .commit_files(REPO, BRANCH, "By hand", &[("hand.txt", "hand")]);
    })
    .await?;

    for (world, expected) in [(open, 3), (by_hand, 4)] {
        let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
        assert_eq!(commits.len(), expected, "{commits:?}");
    }
    Ok(())
}
