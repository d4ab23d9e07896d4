//! After a kill between any two effects, the next start continues without duplicates.
//!
//! A call that took effect and whose response was lost, followed by a stop, is equivalent to a kill after the effect. A
//! call whose connection was cut first is equivalent to a kill before it.

use axum::http::Method;
use serde_json::json;
use whim_core::WorkItemStatus;
use whim_testkit::github::Fault;

use crate::world::{REPO, World};

const ISSUE: &str = "/repos/{owner}/{repo}/issues/{number}";
const COMMENT: &str = "/repos/{owner}/{repo}/issues/comments/{id}";

/// Faults that cut the connection before and after each effect.
fn faults(effects: &[(Method, &str, &str)]) -> Vec<(String, Fault)> {
    let mut faults = Vec::new();
    for (method, path, about) in effects {
        let path = match *method {
            Method::PATCH => COMMENT.to_owned(),
            _ => format!("{ISSUE}{path}"),
        };
        let fault = || {
            let fault = Fault::on(method.clone(), &path);
            if *method == Method::DELETE {
                fault
            } else {
                fault.when_body_contains(*about)
            }
        };
        faults.push((format!("before {method} {path} {about}"), fault().cut_before()));
        faults.push((format!("after {method} {path} {about}"), fault().cut_after()));
    }
    faults
}

/// Kills the intake when the fault has struck.
async fn kill_at(world: &mut World) {
    until_fault_struck(world).await;
    world.restart().await;
}

async fn until_fault_struck(world: &World) {
    let struck = |world: &World| world.github.faults().pending() == 0;
    world.until("the fault to strike", struck).await;
}

async fn until_marked(world: &World, issue: u64) {
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
}

#[tokio::test]
async fn a_kill_around_marking_an_issue_leads_to_one_item() {
    for (when, fault) in faults(&[(Method::POST, "/labels", "ai-processing")]) {
        let mut world = World::new().await;
        world.github.faults().push(fault);
        world.start();
        let issue = world.create_issue("Say hello");
        kill_at(&mut world).await;
        until_marked(&world, issue).await;
        world.until_polled_twice().await;
        assert_eq!(world.orchestrator.items().len(), 1, "{when}");
        assert_eq!(world.run_posted(issue), None, "{when}");
    }
}

#[tokio::test]
async fn a_kill_around_any_effect_of_an_outcome_posts_it_once() {
    let effects_of_completed = [
        (Method::PATCH, "", "state=ended"),
        (Method::POST, "/labels", "ai-pr-ready"),
        (Method::DELETE, "/labels/ai-processing", ""),
    ];
    for (when, fault) in faults(&effects_of_completed) {
        let mut world = World::running().await;
        let issue = world.create_issue("Say hello");
        until_marked(&world, issue).await;
        world.github.faults().push(fault);
        world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
        kill_at(&mut world).await;
        world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
        world.until_polled_twice().await;
        assert_eq!(world.run_posted(issue), Some(1), "{when}");
        let requeues = world
            .orchestrator
            .count_requests(&Method::POST, "/api/work/{id}/requeue");
        assert_eq!(requeues, 0, "{when}");
    }
}

/// With an issue whose first run failed and whose outcome is posted.
async fn with_failed_issue() -> (World, u64) {
    let world = World::running().await;
    let issue = world.create_issue("Say hello");
    until_marked(&world, issue).await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red tests"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    (world, issue)
}

#[tokio::test]
async fn a_kill_around_marking_an_issue_again_posts_the_outcome_once() {
    let marks_again = [
        (Method::POST, "/labels", "ai-processing"),
        (Method::DELETE, "/labels/ai-failed", ""),
    ];
    for ends_meanwhile in [false, true] {
        for (when, fault) in faults(&marks_again) {
            let (mut world, issue) = with_failed_issue().await;
            world.github.faults().push(fault);
            // As with the dashboard: the label of the first outcome has to be removed.
            world.requeue(issue);
            if ends_meanwhile {
                until_fault_struck(&world).await;
                world.stop().await;
            } else {
                kill_at(&mut world).await;
                world.until_labelled(issue, &["whim", "ai-processing"]).await;
            }
            world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
            if ends_meanwhile {
                world.start();
            }
            world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
            world.until_polled_twice().await;
            assert_eq!(world.run_posted(issue), Some(2), "{when}");
        }
    }
}

#[tokio::test]
async fn a_kill_around_any_effect_of_a_second_outcome_posts_it_once() {
    let effects_of_second_outcome = [
        (Method::PATCH, "", "run=2 state=ended"),
        (Method::POST, "/labels", "ai-pr-ready"),
        (Method::DELETE, "/labels/ai-failed", ""),
        (Method::DELETE, "/labels/ai-processing", ""),
    ];
    for (when, fault) in faults(&effects_of_second_outcome) {
        let (mut world, issue) = with_failed_issue().await;
        world.stop().await;
        // The label of the first outcome is still set when the second run ends.
        world.requeue(issue);
        world.github.add_label(REPO, issue, "ai-processing");
        world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
        world.github.faults().push(fault);
        world.start();
        kill_at(&mut world).await;
        world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
        world.until_polled_twice().await;
        assert_eq!(world.run_posted(issue), Some(2), "{when}");
    }
}

#[tokio::test]
async fn a_kill_between_submitting_and_marking_leads_to_one_item() {
    let mut world = World::new().await;
    world.hold_response(Method::POST, "/api/work");
    world.start();
    let issue = world.create_issue("Say hello");
    world.until_response_held().await;
    assert_eq!(world.labels(issue), ["whim"]);
    world.restart().await;
    until_marked(&world, issue).await;
    assert_eq!(world.orchestrator.items().len(), 1);
}

#[tokio::test]
async fn after_a_kill_between_submitting_and_marking_an_outcome_of_the_meantime_is_posted() {
    for (status, label) in [
        (WorkItemStatus::Completed, "ai-pr-ready"),
        (WorkItemStatus::Failed, "ai-failed"),
        (WorkItemStatus::Cancelled, "ai-failed"),
    ] {
        let mut world = World::new().await;
        world.hold_response(Method::POST, "/api/work");
        world.start();
        let issue = world.create_issue("Say hello");
        world.until_response_held().await;
        world.stop().await;
        world.end_run(issue, status, json!({"error": "It is over"}));
        world.start();
        world.until_labelled(issue, &["whim", label]).await;
        world.until_polled_twice().await;
        let item = world.item(issue).unwrap();
        assert_eq!((item.status, item.run), (status, 1));
        assert_eq!(world.run_posted(issue), Some(1));
    }
}

#[tokio::test]
async fn a_kill_between_requeueing_and_marking_leads_to_one_run() {
    for ends_meanwhile in [false, true] {
        let (mut world, issue) = with_failed_issue().await;
        world.hold_response(Method::POST, "/api/work/{id}/requeue");
        world.github.remove_label(REPO, issue, "ai-failed");
        world.until_response_held().await;
        world.stop().await;
        assert_eq!(world.labels(issue), ["whim"]);
        if ends_meanwhile {
            world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red again"}));
        }
        world.start();
        if ends_meanwhile {
            world.until_labelled(issue, &["whim", "ai-failed"]).await;
            assert_eq!(world.run_posted(issue), Some(2));
        } else {
            until_marked(&world, issue).await;
        }
        world.until_polled_twice().await;
        assert_eq!(world.item(issue).unwrap().run, 2);
    }
}

#[tokio::test]
async fn a_kill_while_a_spec_is_submitted_does_not_write_it_twice() {
    let mut world = World::new().await;
    world.hold_response(Method::PUT, "/api/work/{id}/spec");
    world.start();
    let issue = world.create_issue("Say hello");
    world.until_response_held().await;
    world.restart().await;
    until_marked(&world, issue).await;
    world.until_polled_twice().await;
    assert_eq!(world.spec_requests(), 1);
}

#[tokio::test]
async fn a_comment_on_a_full_page_whose_response_was_lost_is_found() {
    let mut world = World::new().await;
    let issue = world.github.create_issue(REPO, "Say hello", "Please.", &[]);
    for number in 0..100 {
        world.github.comment(REPO, issue, &format!("Comment {number}"));
    }
    // The comment is created, and the response is lost.
    world
        .github
        .faults()
        .push(Fault::on(Method::POST, &format!("{ISSUE}/comments")).cut_after());
    world.github.add_label(REPO, issue, "whim");
    world.start();
    until_marked(&world, issue).await;
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    assert_eq!(world.run_posted(issue), Some(1));
}
