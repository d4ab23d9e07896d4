//! Further runs, requested on the issue or elsewhere.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;
use whim_core::WorkItemStatus;
use whim_testkit::github::BOT;

use crate::world::{REPO, World};

/// With an issue whose first run failed and whose outcome is posted.
async fn with_failed_issue() -> (World, u64) {
    let world = World::running().await;
    let issue = world.create_issue("Say hello");
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red tests"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    (world, issue)
}

#[tokio::test]
async fn removing_ai_failed_requests_another_run() {
    let (world, issue) = with_failed_issue().await;
    world.github.remove_label(REPO, issue, "ai-failed");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    world.until_polled_twice().await;
    assert_eq!(world.run_posted(issue), Some(2));
    assert_eq!(world.orchestrator.items().len(), 1);
    assert_eq!(
        world
            .orchestrator
            .count_requests(&Method::POST, "/api/work/{id}/requeue"),
        1
    );
}

#[tokio::test]
async fn removing_ai_pr_ready_requests_another_run() {
    let (world, issue) = with_failed_issue().await;
    for (label, run) in [("ai-failed", 2), ("ai-pr-ready", 3)] {
        world.github.remove_label(REPO, issue, label);
        let item = world.until_status(issue, WorkItemStatus::Queued).await;
        assert_eq!(item.run, run);
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
        world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
        world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    }
    assert_eq!(world.run_posted(issue), Some(3));
}

#[tokio::test]
async fn a_request_is_for_one_run_although_its_label_vanishes_after_a_later_one() {
    let (world, issue) = with_failed_issue().await;
    world.github.comment(REPO, issue, "@whim retry");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red again"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world.until_polled_twice().await;
    // The events that are left are the first request, and removals by Whim.
    world.github.delete_label(REPO, "ai-failed");
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().run, 2);
}

#[tokio::test]
async fn a_person_whose_token_whim_uses_requests_another_run_by_removing_the_label() {
    let (world, issue) = with_failed_issue().await;
    world.github.by(BOT).remove_label(REPO, issue, "ai-failed");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
}

#[tokio::test]
async fn a_missing_spec_is_written_at_once_in_the_next_run() {
    let (mut world, issue) = with_failed_issue().await;
    world.spec_period = Some(Duration::from_secs(3600));
    world.restart().await;
    world.until_polled_twice().await;
    world.set_fields(issue, &json!({"spec": null}));
    world.github.remove_label(REPO, issue, "ai-failed");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!((item.run, item.spec.is_some()), (2, true));
    assert_eq!(world.spec_requests(), 2);
}

#[tokio::test]
async fn an_edited_issue_gets_another_spec_in_the_next_run() {
    let (world, issue) = with_failed_issue().await;
    world
        .github
        .edit_issue(REPO, issue, "In French, please.\n\n- A French greeting\n");
    world.until_polled_twice().await;
    assert_eq!(world.spec_requests(), 1);
    // An edit in the second of the request counts as later.
    world.github.advance_clock(Duration::from_secs(2));
    world.github.remove_label(REPO, issue, "ai-failed");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
    let spec = item.spec.unwrap();
    assert!(spec.contains("- [ ] A French greeting"), "{spec}");
    assert_eq!(world.spec_requests(), 2);
}

#[tokio::test]
async fn an_unchanged_issue_keeps_its_spec_in_the_next_run() {
    let (world, issue) = with_failed_issue().await;
    let first = world.item(issue).unwrap().spec;
    world.github.remove_label(REPO, issue, "ai-failed");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!((item.run, item.spec), (2, first));
    world.until_polled_twice().await;
    assert_eq!(world.spec_requests(), 1);
}

#[tokio::test]
async fn an_item_that_was_requeued_elsewhere_updates_its_issue() {
    let (world, issue) = with_failed_issue().await;
    world.requeue(issue);
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    assert_eq!(world.run_posted(issue), Some(2));
}

#[tokio::test]
async fn the_outcome_of_a_run_between_two_polls_is_posted() {
    let (mut world, issue) = with_failed_issue().await;
    world.stop().await;
    world.requeue(issue);
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.start();
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    assert_eq!(world.run_posted(issue), Some(2));
}

#[tokio::test]
async fn an_unchanged_finished_issue_needs_no_call_of_github() {
    let (world, issue) = with_failed_issue().await;
    // The labels changed it once more.
    world.until_polled_twice().await;
    let comments = format!("/repos/{REPO}/issues/{issue}/comments");
    let before = world.github.count_requests(&Method::GET, &comments);
    world.until_polled_twice().await;
    assert_eq!(world.github.count_requests(&Method::GET, &comments), before);
    assert_eq!(world.labels(issue), ["whim", "ai-failed"]);
    assert_eq!(world.run_posted(issue), Some(1));
}
