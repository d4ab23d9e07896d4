//! Killed between any two effects, the next start carries on and doubles nothing.
//!
//! A call that did its work and whose answer never came, followed by a stop, is what a kill between two effects leaves
//! behind; one that was cut before it did anything is a kill before the effect.

use axum::http::Method;
use serde_json::json;
use whim_core::WorkItemStatus;
use whim_testkit::github::Fault;

use crate::world::{REPO, World};

const ISSUE: &str = "/repos/{owner}/{repo}/issues/{number}";

/// Each effect with the connection cut before and after it, and the intake killed there.
fn faults(effects: &[(Method, &str, &str)]) -> Vec<(String, Fault)> {
    let mut faults = Vec::new();
    for (method, path, about) in effects {
        let path = format!("{ISSUE}{path}");
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

/// Lets the fault strike and kills the intake there.
async fn kill_at(world: &mut World) {
    until_struck(world).await;
    world.restart().await;
}

async fn until_struck(world: &World) {
    let struck = |world: &World| world.github.faults().pending() == 0;
    world.until("the fault to strike", struck).await;
}

async fn until_marked(world: &World, issue: u64) {
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
}

#[tokio::test]
async fn killed_around_marking_an_issue_it_is_one_item() {
    for (when, fault) in faults(&[(Method::POST, "/labels", "ai-processing")]) {
        let mut world = World::new().await;
        world.github.faults().push(fault);
        world.start();
        let issue = world.ask("Say hello");
        kill_at(&mut world).await;
        until_marked(&world, issue).await;
        world.looked_around().await;
        assert_eq!(world.orchestrator.items().len(), 1, "{when}");
        assert_eq!(world.comments(issue), [], "{when}");
    }
}

#[tokio::test]
async fn killed_around_any_effect_of_an_end_it_is_shown_once() {
    let shows_completed = [
        (Method::POST, "/comments", "whim:item="),
        (Method::POST, "/labels", "ai-pr-ready"),
        (Method::DELETE, "/labels/ai-processing", ""),
    ];
    for (when, fault) in faults(&shows_completed) {
        let mut world = World::running().await;
        let issue = world.ask("Say hello");
        until_marked(&world, issue).await;
        world.github.faults().push(fault);
        world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
        kill_at(&mut world).await;
        world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
        world.looked_around().await;
        assert_eq!(world.runs_shown(issue), [1], "{when}");
        let requeues = world
            .orchestrator
            .count_requests(&Method::POST, "/api/work/{id}/requeue");
        assert_eq!(requeues, 0, "{when}");
    }
}

/// With an issue whose first run failed, and that says so.
async fn with_failed_issue() -> (World, u64) {
    let world = World::running().await;
    let issue = world.ask("Say hello");
    until_marked(&world, issue).await;
    world.end_run(issue, WorkItemStatus::Failed, json!({"error": "red tests"}));
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    (world, issue)
}

#[tokio::test]
async fn killed_around_marking_an_issue_again_the_end_is_shown_once() {
    let marks_again = [
        (Method::POST, "/labels", "ai-processing"),
        (Method::DELETE, "/labels/ai-failed", ""),
    ];
    for ends_meanwhile in [false, true] {
        for (when, fault) in faults(&marks_again) {
            let (mut world, issue) = with_failed_issue().await;
            world.github.faults().push(fault);
            // With the dashboard: the label of the first end has to go.
            world.requeue(issue);
            if ends_meanwhile {
                until_struck(&world).await;
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
            world.looked_around().await;
            assert_eq!(world.runs_shown(issue), [1, 2], "{when}");
        }
    }
}

#[tokio::test]
async fn killed_around_any_effect_of_a_second_end_it_is_shown_once() {
    let shows_second_end = [
        (Method::POST, "/comments", "run=2"),
        (Method::POST, "/labels", "ai-pr-ready"),
        (Method::DELETE, "/labels/ai-failed", ""),
        (Method::DELETE, "/labels/ai-processing", ""),
    ];
    for (when, fault) in faults(&shows_second_end) {
        let (mut world, issue) = with_failed_issue().await;
        world.stop().await;
        // The label of the first end is still there when the second one comes.
        world.requeue(issue);
        world.github.add_label(REPO, issue, "ai-processing");
        world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
        world.github.faults().push(fault);
        world.start();
        kill_at(&mut world).await;
        world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
        world.looked_around().await;
        assert_eq!(world.runs_shown(issue), [1, 2], "{when}");
    }
}

#[tokio::test]
async fn killed_between_submitting_and_marking_it_is_one_item() {
    let mut world = World::new().await;
    world.hold_response(Method::POST, "/api/work");
    world.start();
    let issue = world.ask("Say hello");
    world.until_response_held().await;
    assert_eq!(world.labels(issue), ["whim"]);
    world.restart().await;
    until_marked(&world, issue).await;
    assert_eq!(world.orchestrator.items().len(), 1);
}

#[tokio::test]
async fn killed_between_submitting_and_marking_an_end_that_came_meanwhile_is_shown() {
    for (status, label) in [
        (WorkItemStatus::Completed, "ai-pr-ready"),
        (WorkItemStatus::Failed, "ai-failed"),
        (WorkItemStatus::Cancelled, "ai-failed"),
    ] {
        let mut world = World::new().await;
        world.hold_response(Method::POST, "/api/work");
        world.start();
        let issue = world.ask("Say hello");
        world.until_response_held().await;
        world.stop().await;
        world.end_run(issue, status, json!({"error": "It is over"}));
        world.start();
        world.until_labelled(issue, &["whim", label]).await;
        world.looked_around().await;
        let item = world.item(issue).unwrap();
        assert_eq!((item.status, item.run), (status, 1));
        assert_eq!(world.runs_shown(issue), [1]);
    }
}

#[tokio::test]
async fn killed_between_asking_for_another_run_and_marking_it_is_one_run() {
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
            assert_eq!(world.runs_shown(issue), [1, 2]);
        } else {
            until_marked(&world, issue).await;
        }
        world.looked_around().await;
        assert_eq!(world.item(issue).unwrap().run, 2);
    }
}

#[tokio::test]
async fn killed_while_a_spec_is_handed_in_it_is_written_once() {
    let mut world = World::new().await;
    world.hold_response(Method::PUT, "/api/work/{id}/spec");
    world.start();
    let issue = world.ask("Say hello");
    world.until_response_held().await;
    world.restart().await;
    until_marked(&world, issue).await;
    world.looked_around().await;
    assert_eq!(world.spec_requests(), 1);
}

#[tokio::test]
async fn a_comment_on_a_full_page_whose_answer_was_lost_is_found_again() {
    let world = World::running().await;
    let issue = world.ask("Say hello");
    until_marked(&world, issue).await;
    for number in 0..100 {
        world.github.comment(REPO, issue, &format!("Comment {number}"));
    }
    // The list is asked for and the comment made; that it was made, nobody learns.
    world
        .github
        .faults()
        .push(Fault::on(Method::POST, &format!("{ISSUE}/comments")).cut_after());
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
    assert_eq!(world.runs_shown(issue), [1]);
}
