//! The outcome on an issue after its item has ended.

use serde_json::json;
use whim_core::WorkItemStatus;
use whim_core::source::{CommentSubject, comment_marker};
use whim_testkit::github::State;

use crate::world::{REPO, World};

/// With an issue whose item is queued and whose labels say so.
async fn with_queued_issue() -> (World, u64) {
    let world = World::running().await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.until_status(issue, WorkItemStatus::Queued).await;
    (world, issue)
}

/// The only comment, with identifiers and URLs redacted.
fn comment(world: &World, issue: u64) -> String {
    let comments = world.comments(issue);
    assert_eq!(comments.len(), 1, "{comments:?}");
    let item = world.item(issue).unwrap();
    comments[0]
        .body
        .replace(&item.id.to_string(), "[id]")
        .replace(item.branch.as_str(), "[branch]")
        .replace(&world.github.git_url(), "https://github.com")
}

#[tokio::test]
async fn a_completed_item_is_linked() {
    let (world, issue) = with_queued_issue().await;
    let fields = json!({
        "prNumber": 7, "prUrl": format!("https://github.com/{REPO}/pull/7"), "tasksDone": 2, "tasksTotal": 2,
    });
    world.end_run(issue, WorkItemStatus::Completed, fields);
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    world.until_polled_twice().await;
    insta::assert_snapshot!(comment(&world, issue));
}

#[tokio::test]
async fn a_failed_item_gives_the_reason_and_the_branch() {
    let (world, issue) = with_queued_issue().await;
    let fields = json!({"error": "3 tests failed:\n- greets", "tasksDone": 1, "tasksTotal": 2});
    world.end_run(issue, WorkItemStatus::Failed, fields);
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world.until_polled_twice().await;
    insta::assert_snapshot!(comment(&world, issue));
}

#[tokio::test]
async fn a_cancelled_item_says_who_and_why() {
    let (world, issue) = with_queued_issue().await;
    let fields = json!({"error": "Cancelled by ada: not needed any more"});
    world.end_run(issue, WorkItemStatus::Cancelled, fields);
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world.until_polled_twice().await;
    insta::assert_snapshot!(comment(&world, issue));
}

/// docs/faults.md, row 20.
#[tokio::test]
async fn an_open_pull_request_of_a_cancelled_item_is_named() {
    let (world, issue) = with_queued_issue().await;
    let branch = world.item(issue).unwrap().branch;
    world
        .github
        .commit_files(REPO, branch.as_str(), "Say hello", &[("hello.txt", "hello")]);
    let number = world
        .github
        .create_pull(REPO, branch.as_str(), "main", "Say hello");
    world.end_run(
        issue,
        WorkItemStatus::Cancelled,
        json!({"error": "Cancelled by ada"}),
    );
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    let comment = comment(&world, issue);
    let sentence = format!("The pull request #{number} of its branch is open. Close it, unless you want it.");
    assert!(comment.contains(&sentence), "{comment}");
}

#[tokio::test]
async fn the_outcome_is_posted_on_an_issue_that_was_closed_or_lost_its_label_at_the_end() {
    let (mut world, closed) = with_queued_issue().await;
    let unlabelled = world.create_issue("Say goodbye");
    world.until_labelled(unlabelled, &["whim", "ai-processing"]).await;
    world.until_status(unlabelled, WorkItemStatus::Queued).await;
    world.stop().await;
    world.github.set_state(REPO, closed, State::Closed);
    world.github.remove_label(REPO, unlabelled, "whim");
    for issue in [closed, unlabelled] {
        world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    }
    world.start();
    world.until_labelled(closed, &["whim", "ai-pr-ready"]).await;
    world.until_labelled(unlabelled, &["ai-pr-ready"]).await;
    assert_eq!(world.run_posted(closed), Some(1));
    assert_eq!(world.run_posted(unlabelled), Some(1));
}

#[tokio::test]
async fn text_of_an_agent_mentions_no_one_closes_nothing_and_forges_no_marker() {
    let (world, issue) = with_queued_issue().await;
    let item = world.item(issue).unwrap();
    let marker = |run| {
        let item = item.id;
        comment_marker(CommentSubject::Run {
            item,
            run,
            ended: true,
        })
    };
    let error = format!("````\n@octocat closes #1\n{}\n{}\n\u{202E}", marker(1), marker(2));
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": error}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    insta::assert_snapshot!(comment(&world, issue));
    // The forged marker of the second run does not suppress the second outcome.
    world.github.remove_label(REPO, issue, "ai-failed");
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    assert_eq!(world.run_posted(issue), Some(2));
}
