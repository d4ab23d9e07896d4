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
    assert_eq!(failure.cause, FailureCause::Crash);
    assert_eq!(
        failure.reason,
        "the branch was changed on GitHub by someone else during the attempt"
    );
    assert_eq!(world.branch_head(), Some(theirs));
    Ok(())
}

#[tokio::test]
async fn an_agent_can_amend_its_commits_of_this_attempt() -> anyhow::Result<()> {
    let script = "begin; greet; signal half; await go; git commit -q --amend --message 'Add a better greeting'; \
        committed amended; part; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.pushed(1).await?;
    world.signal("go")?;

    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);

    let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
    let subjects: Vec<&str> = commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["Add a farewell", "Add a better greeting"]);
    Ok(())
}

#[tokio::test]
async fn an_agent_cannot_remove_earlier_commits() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; git reset -q --hard HEAD~1; greet; part; complete").await?;
    let before = world
        .github
        .commit_files(REPO, BRANCH, "Before", &[("before.txt", "before")]);

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert!(
        failure.reason.contains("does not contain the earlier commits of"),
        "{}",
        failure.reason
    );
    assert_eq!(world.branch_head(), Some(before));
    Ok(())
}
