//! A person stops a run, or changes its priority, on the issue.

use std::time::Duration;

use serde_json::json;
use whim_core::{Priority, WorkItemStatus};
use whim_testkit::github::State;

use crate::world::{REPO, World};

async fn with_queued_issue() -> (World, u64) {
    let world = World::running().await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.until_status(issue, WorkItemStatus::Queued).await;
    (world, issue)
}

fn comment(world: &World, issue: u64) -> String {
    world.comments(issue).remove(0).body
}

#[tokio::test]
async fn closing_the_issue_cancels_its_item() {
    let (world, issue) = with_queued_issue().await;
    world.github.set_state(REPO, issue, State::Closed);
    let item = world.until_status(issue, WorkItemStatus::Cancelled).await;
    assert_eq!(item.error.unwrap(), "Cancelled by octocat: the issue was closed");
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.run_posted(issue), Some(1));
    // Opening it again is no request.
    world.github.set_state(REPO, issue, State::Open);
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().run, 1);
}

#[tokio::test]
async fn removing_the_label_cancels_the_item_and_adding_it_starts_another_run() {
    let (world, issue) = with_queued_issue().await;
    world.github.remove_label(REPO, issue, "whim");
    let item = world.until_status(issue, WorkItemStatus::Cancelled).await;
    assert_eq!(
        item.error.unwrap(),
        "Cancelled by octocat: the label whim was removed"
    );
    world.until_labelled(issue, &[]).await;
    assert_eq!(world.run_posted(issue), Some(1));
    assert!(comment(&world, issue).contains("To run Whim again, add the label `whim`."));
    world.github.advance_clock(Duration::from_secs(1));
    world.github.add_label(REPO, issue, "whim");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
}

#[tokio::test]
async fn asking_for_information_cancels_the_item_until_the_label_is_removed() {
    let (world, issue) = with_queued_issue().await;
    world.github.add_label(REPO, issue, "ai-needs-info");
    world.until_status(issue, WorkItemStatus::Cancelled).await;
    world.until_labelled(issue, &["whim", "ai-needs-info"]).await;
    world.github.advance_clock(Duration::from_secs(1));
    world.github.remove_label(REPO, issue, "ai-needs-info");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
}

#[tokio::test]
async fn another_intake_label_does_not_stop_what_runs() {
    let (mut world, issue) = with_queued_issue().await;
    world.stop().await;
    world.set("INTAKE_LABEL", "agent");
    world.start();
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().status, WorkItemStatus::Queued);
}

#[tokio::test]
async fn an_item_that_was_requeued_elsewhere_for_a_closed_issue_is_cancelled_and_said() {
    let (world, issue) = with_queued_issue().await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red tests"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world.github.set_state(REPO, issue, State::Closed);
    world.until_polled_twice().await;
    world.requeue(issue);
    let item = world.until_status(issue, WorkItemStatus::Cancelled).await;
    assert_eq!(item.run, 2);
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.run_posted(issue), Some(2));
}

#[tokio::test]
async fn the_priority_follows_the_labels_while_the_item_waits() {
    let (world, issue) = with_queued_issue().await;
    assert_eq!(world.item(issue).unwrap().priority, Priority::Medium);
    for (label, priority) in [
        ("Priority: High", Priority::High),
        ("priority:critical", Priority::Critical),
    ] {
        world.github.add_label(REPO, issue, label);
        world
            .until("the priority", |world| {
                world.item(issue).unwrap().priority == priority
            })
            .await;
    }
    // Without a label the item keeps it.
    world.github.remove_label(REPO, issue, "Priority: High");
    world.github.remove_label(REPO, issue, "priority:critical");
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().priority, Priority::Critical);
}

#[tokio::test]
async fn one_comment_shows_each_stage() {
    let (world, issue) = with_queued_issue().await;
    let shows = async |what: &'static str| {
        let shown = move |world: &World| {
            let comments = world.comments(issue);
            comments.len() == 1 && comments[0].body.contains(what)
        };
        world.until(what, shown).await;
    };
    shows("**This issue is queued for `octocat`.**").await;
    shows("<summary>Checklist: 0 of ").await;
    world.set_fields(issue, &json!({"priority": "high"}));
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    shows("**Whim opened a pull request: #9**").await;
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    assert_eq!(world.run_posted(issue), Some(1));
}

#[tokio::test]
async fn the_comment_is_edited_at_most_once_in_its_interval() {
    let mut world = World::new().await;
    world.set("STATUS_COMMENT_INTERVAL_SECONDS", "3600");
    world.start();
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world
        .until("the comment", |world| world.comments(issue).len() == 1)
        .await;
    let first = comment(&world, issue);
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_polled_twice().await;
    assert_eq!(comment(&world, issue), first);
    // The outcome waits for it as well.
    assert_eq!(world.labels(issue), ["whim", "ai-processing"]);
}
