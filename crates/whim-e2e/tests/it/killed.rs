//! Programs killed while they work on an issue.

use rustix::process::Signal;
use whim_core::WorkItemStatus;
use whim_e2e::sample;
use whim_e2e::system::{Options, System};
use whim_testkit::anthropic::{Gate, Moment};
use whim_testkit::wait::wait_until;

use crate::world::{
    TIMEOUT, assert_no_violations, item_of, one_repository, pulls_closing, whims_comments, worker_process,
};

const TITLE: &str = "Improve the documentation";
const BODY: &str = "- Describe how to install it\n- Describe how to take part";

/// An issue whose agent is held after the first of two tasks was done, pushed and reported.
pub(crate) async fn issue_with_one_task_done(system: &System) -> (u64, Gate) {
    let mut gate = system.anthropic.hold("Describe how to", Moment::AfterTicks(1));
    let issue = system
        .github
        .create_issue(sample::REPOSITORY, TITLE, BODY, &["whim"]);
    gate.reached(TIMEOUT).await.unwrap();
    wait_until("the first tick to be reported", TIMEOUT, async || {
        match system.item_of(sample::REPOSITORY, issue).await {
            Ok(Some(item)) if item.tasks_done == 1 => Ok(()),
            other => Err(format!("{other:?}\n{}", system.logs())),
        }
    })
    .await
    .unwrap();
    (issue, gate)
}

/// Checks that there is one pull request with one commit per task, one comment, and the final labels.
pub(crate) fn assert_delivered_once(system: &System, issue: u64) {
    let pulls = pulls_closing(system, sample::REPOSITORY, issue);
    assert_eq!(pulls.len(), 1, "{pulls:#?}");
    assert_eq!(system.github.pulls(sample::REPOSITORY).len(), 1);
    let added = system
        .github
        .log(sample::REPOSITORY, &format!("main..{}", pulls[0].head));
    assert_eq!(added.len(), 2, "expected one commit per task: {added:#?}");
    assert_eq!(
        system.github.issue(sample::REPOSITORY, issue).labels,
        ["whim", "ai-pr-ready"]
    );
    assert_eq!(whims_comments(system, sample::REPOSITORY, issue).len(), 1);
}

#[tokio::test]
async fn an_item_whose_worker_was_killed_resumes_from_the_pushed_branch() {
    let system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;
    let pushed = system
        .github
        .branch_head(sample::REPOSITORY, item.branch.as_str())
        .unwrap();

    worker_process(&system, &item).await.signal(Signal::KILL).unwrap();
    gate.open();
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    assert_delivered_once(&system, issue);
    let item = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (item.retries, item.tasks_done, item.lease_epoch.number()),
        (1, 2, 2)
    );
    let commits = system
        .github
        .log(sample::REPOSITORY, &format!("main..{}", item.branch));
    assert!(
        commits.iter().any(|commit| commit.hash == pushed),
        "the commit of the first attempt is missing"
    );
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_survives_a_restart_of_the_orchestrator() {
    let mut system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;

    system.take_orchestrator().unwrap().kill().await.unwrap();
    system.start_orchestrator().await.unwrap();
    gate.open();
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    assert_delivered_once(&system, issue);
    let now = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (now.status, now.worker_id),
        (WorkItemStatus::Completed, item.worker_id)
    );
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_survives_a_restart_of_the_gateway() {
    let mut system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;
    let item = item_of(&system, sample::REPOSITORY, issue).await;

    // The agent's request is cut off.
    system.take_gateway().unwrap().kill().await.unwrap();
    gate.open();
    system.start_gateway().await.unwrap();
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    assert_delivered_once(&system, issue);
    let now = item_of(&system, sample::REPOSITORY, issue).await;
    assert_eq!(
        (now.status, now.worker_id),
        (WorkItemStatus::Completed, item.worker_id)
    );
    assert_no_violations(&system);
    system.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_intake_resumes_without_duplicates() {
    let mut system = one_repository(Options::watching([sample::REPOSITORY])).await;
    let (issue, gate) = issue_with_one_task_done(&system).await;

    system.take_intake().unwrap().kill().await.unwrap();
    gate.open();
    wait_until(
        "the item to complete without an intake",
        TIMEOUT,
        async || match system.item_of(sample::REPOSITORY, issue).await {
            Ok(Some(item)) if item.status == WorkItemStatus::Completed => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await
    .unwrap();
    system.start_intake().await.unwrap();
    system
        .wait_for_label(sample::REPOSITORY, issue, "ai-pr-ready", TIMEOUT)
        .await
        .unwrap();

    assert_delivered_once(&system, issue);
    assert_no_violations(&system);
    system.stop().await.unwrap();
}
