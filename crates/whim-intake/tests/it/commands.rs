//! Commands in comments.

use std::time::Duration;

use serde_json::json;
use whim_core::{Priority, WorkItemStatus};
use whim_testkit::github::BOT;

use crate::world::{REPO, World};

async fn with_queued_issue() -> (World, u64) {
    let world = World::running().await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.until_status(issue, WorkItemStatus::Queued).await;
    (world, issue)
}

async fn with_failed_issue() -> (World, u64) {
    let (world, issue) = with_queued_issue().await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red tests"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    (world, issue)
}

/// Whim's reactions to a comment.
fn reactions(world: &World, issue: u64, comment: u64) -> Vec<String> {
    let comments = world.github.issue(REPO, issue).comments;
    let comment = comments.into_iter().find(|it| it.id == comment).unwrap();
    let by_whim = comment.reactions.into_iter().filter(|(author, _)| author == BOT);
    by_whim.map(|(_, content)| content).collect()
}

async fn until_reactions(world: &World, issue: u64, comment: u64, expected: &[&str]) {
    world
        .until("the reactions", |world| {
            reactions(world, issue, comment) == expected
        })
        .await;
}

#[tokio::test]
async fn stop_cancels_the_item() {
    let (world, issue) = with_queued_issue().await;
    let comment = world.github.comment(REPO, issue, "@whim stop");
    let item = world.until_status(issue, WorkItemStatus::Cancelled).await;
    assert_eq!(
        item.error.unwrap(),
        "Cancelled by octocat: stopped with a comment on the issue"
    );
    until_reactions(&world, issue, comment, &["eyes", "+1"]).await;
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.run_posted(issue), Some(1));
}

#[tokio::test]
async fn retry_starts_another_run_once() {
    let (mut world, issue) = with_failed_issue().await;
    let comment = world.github.comment(REPO, issue, "@whim retry");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.run, 2);
    until_reactions(&world, issue, comment, &["eyes", "+1"]).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red again"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world.restart().await;
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().run, 2);
    assert_eq!(world.run_posted(issue), Some(2));
}

#[tokio::test]
async fn words_after_the_end_ask_for_another_run_with_that_note() {
    let (world, issue) = with_failed_issue().await;
    let words = "@whim Use the <!-- hidden --> library that is there.";
    let comment = world.github.comment(REPO, issue, words);
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    let description = item.description.unwrap();
    let note = "Note by octocat, for this run:\n> Use the library that is there.";
    assert!(description.ends_with(note), "{description}");
    assert_eq!((item.run, world.spec_requests()), (2, 2));
    until_reactions(&world, issue, comment, &["eyes", "+1"]).await;
}

#[tokio::test]
async fn the_priority_is_set_with_its_label() {
    let (world, issue) = with_queued_issue().await;
    world.github.add_label(REPO, issue, "priority:low");
    let comment = world.github.comment(REPO, issue, "@whim priority high");
    until_reactions(&world, issue, comment, &["eyes", "+1"]).await;
    world
        .until_labelled(issue, &["whim", "ai-processing", "priority:high"])
        .await;
    world
        .until("the priority", |world| {
            world.item(issue).unwrap().priority == Priority::High
        })
        .await;
}

#[tokio::test]
async fn what_is_not_carried_out_is_said_in_the_comment() {
    let (world, issue) = with_failed_issue().await;
    for (login, command, why) in [
        (
            "octocat",
            "@whim priority urgent",
            "Whim did not understand the command.",
        ),
        (
            "octocat",
            "@whim stop",
            "Nothing is running that could be stopped.",
        ),
        (
            "mallory",
            "@whim retry",
            "Whim takes commands only from people who may write to this repository.",
        ),
    ] {
        let comment = world.github.by(login).comment(REPO, issue, command);
        until_reactions(&world, issue, comment, &["eyes", "confused"]).await;
        world
            .until("the reason", |world| {
                let body = world.comments(issue).remove(0).body;
                body.contains(why) && body.contains("red tests")
            })
            .await;
    }
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().run, 1);
    assert_eq!(world.run_posted(issue), Some(1));
}

#[tokio::test]
async fn commands_from_before_the_run_are_not_carried_out() {
    let mut world = World::new().await;
    let issue = world.github.create_issue(REPO, "Say hello", "Please.", &[]);
    let comment = world.github.comment(REPO, issue, "@whim stop");
    world.github.advance_clock(Duration::from_secs(5));
    world.github.add_label(REPO, issue, "whim");
    world.start();
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.until_polled_twice().await;
    assert_eq!(world.item(issue).unwrap().status, WorkItemStatus::Queued);
    assert_eq!(reactions(&world, issue, comment), [] as [String; 0]);
}
