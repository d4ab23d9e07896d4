//! Lists of several pages, and polls without changes.

use axum::http::{Method, StatusCode};
use whim_core::WorkItemStatus;
use whim_testkit::anthropic::{Fault, SpecScript};

use crate::world::{REPO, World};

/// Without specs, which these tests do not need.
async fn without_specs() -> World {
    let world = World::new().await;
    world
        .anthropic
        .when_spec_request_contains("", SpecScript::Fault(Fault::NoAnswer));
    world
}

#[tokio::test]
async fn issues_on_all_pages_are_submitted_oldest_first() {
    let mut world = without_specs().await;
    let issues: Vec<u64> = (0..201)
        .map(|number| world.create_issue(&format!("Issue {number}")))
        .collect();
    world.start();
    world
        .until("an item of each issue", |world| {
            world.orchestrator.items().len() == issues.len()
        })
        .await;
    let submitted = world.orchestrator.items();
    let submitted = submitted.iter().map(|item| item.source_ref.clone().unwrap());
    let expected = issues.iter().map(u64::to_string);
    assert!(submitted.eq(expected), "not in the order of the issues");
    world
        .until_labelled(*issues.last().unwrap(), &["whim", "ai-processing"])
        .await;
}

#[tokio::test]
async fn an_issue_after_a_last_page_that_was_full_is_submitted() {
    let mut world = without_specs().await;
    for number in 0..100 {
        world.create_issue(&format!("Issue {number}"));
    }
    world.start();
    world
        .until("an item of each issue", |world| {
            world.orchestrator.items().len() == 100
        })
        .await;
    world.until_polled_twice().await;
    let last = world.create_issue("The hundred and first");
    world.until_labelled(last, &["whim", "ai-processing"]).await;
}

#[tokio::test]
async fn a_poll_without_changes_does_not_count_against_the_rate_limit() {
    let world = World::running().await;
    let issue = world.create_issue("Say hello");
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.until_polled_twice().await;
    world.until_examined().await;
    let before = world.github.requests().len();
    world.until_polled_twice().await;
    let since = world.github.requests().split_off(before);
    assert!(!since.is_empty());
    for request in since {
        assert_eq!(
            (&request.method, request.status),
            (&Method::GET, Some(StatusCode::NOT_MODIFIED)),
            "{request:?}"
        );
    }
    // A change is seen at once.
    world.github.remove_label(REPO, issue, "ai-processing");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
}
