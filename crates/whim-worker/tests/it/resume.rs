use whim_core::FailureCause;
use whim_core::WorkerId;

use crate::world::{BRANCH, FILES, HAPPY, REPO, SPEC, World, commit};

const FIRST_DONE: &str = "- [x] Add a greeting\n- [ ] Add a farewell";

#[tokio::test]
async fn an_attempt_after_a_killed_worker_resumes_from_the_pushed_branch() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; tell half; await never").await?;
    let worker = world.start()?;
    world.told("half").await?;
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

    world.orchestrator.assign_again(|registered| {
        registered.worker_id = WorkerId::new();
        registered.work_item.attempt = 2;
        registered.work_item.spec = spec;
        registered.work_item.head_sha = commit(&head).ok();
    });
    world.write_ralph("begin; part; complete")?;
    world.run_to(0).await?;

    assert!(world.note("spec-at-start")?.contains(FIRST_DONE));
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

    world.run_to(0).await?;

    assert_eq!(world.note("spec-at-start")?, SPEC);
    Ok(())
}

#[tokio::test]
async fn ticks_of_a_branch_that_was_removed_do_not_count() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let head = world
        .github
        .commit_files(REPO, BRANCH, "Add a greeting", &[("greeting.txt", "hello")]);
    world.github.delete_branch(REPO, BRANCH);
    let world = world.assigned(|registered| {
        registered.work_item.spec = SPEC.replacen("- [ ]", "- [x]", 1);
        registered.work_item.head_sha = commit(&head).ok();
    });

    world.run_to(0).await?;

    assert_eq!(world.note("spec-at-start")?, SPEC);
    Ok(())
}

#[tokio::test]
async fn ticks_of_the_one_who_submitted_stay() -> anyhow::Result<()> {
    let spec = SPEC.replacen("- [ ]", "- [x]", 1);
    let script = "begin; part; echo hello > greeting.txt; git add .; git commit -qm more; complete";
    let world = World::new(FILES, script)
        .await?
        .assigned(|registered| registered.work_item.spec = spec.clone());

    world.run_to(0).await?;

    assert_eq!(world.note("spec-at-start")?, spec);
    Ok(())
}

#[tokio::test]
async fn what_somebody_else_pushed_meanwhile_is_not_overwritten() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; greet; tell half; await go; part; complete").await?;
    let worker = world.start()?;
    world.pushed(1).await?;
    let theirs = world
        .github
        .commit_files(REPO, BRANCH, "By hand", &[("hand.txt", "hand")]);
    world.tell("go")?;

    assert_eq!(worker.ended().await?.code, Some(2));

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::BranchMoved);
    assert_eq!(
        failure.reason,
        "somebody else pushed to the branch while it was worked on"
    );
    assert_eq!(world.branch_head(), Some(theirs));
    Ok(())
}

#[tokio::test]
async fn an_agent_may_amend_what_it_committed_in_this_attempt() -> anyhow::Result<()> {
    let script = "begin; greet; tell half; await go; git commit -q --amend --message 'Add a better greeting'; \
        committed amended; part; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.pushed(1).await?;
    world.tell("go")?;

    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);

    let commits = world.github.log(REPO, &format!("main..{BRANCH}"));
    let subjects: Vec<&str> = commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["Add a farewell", "Add a better greeting"]);
    Ok(())
}

#[tokio::test]
async fn an_agent_cannot_remove_what_was_there_before_the_attempt() -> anyhow::Result<()> {
    let world = World::new(FILES, "begin; git reset -q --hard HEAD~1; greet; part; complete").await?;
    let before = world
        .github
        .commit_files(REPO, BRANCH, "Before", &[("before.txt", "before")]);

    world.run_to(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::Crash);
    assert!(
        failure.reason.contains("does not contain what was on"),
        "{}",
        failure.reason
    );
    assert_eq!(world.branch_head(), Some(before));
    Ok(())
}
