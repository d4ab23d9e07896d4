//! GitHub or the orchestrator refuses, fails or is unavailable: what is logged, and that other work continues.

use axum::http::{Method, StatusCode};
use serde_json::json;
use whim_core::WorkItemStatus;
use whim_testkit::github::{Fault, Permissions};
use whim_testkit::orchestrator::Orchestrator;

use crate::logs::Logs;
use crate::world::{REPO, World};

const LABELS: &str = "/repos/{owner}/{repo}/issues/{number}/labels";

fn errors(logs: &Logs) -> Vec<String> {
    let warnings = logs.warnings();
    let errors = warnings.iter().filter_map(|line| line["error"].as_str());
    errors.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_missing_repository_is_logged_once_and_does_not_affect_others() {
    let logs = Logs::capture();
    let mut world = World::new().await;
    world.set("REPOS", format!("octocat/gone,{REPO}"));
    world.start();
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.until_polled_twice().await;
    assert_eq!(
        errors(&logs),
        [
            "listing issues: GitHub does not find /repos/octocat/gone/issues; check REPOS, that GITHUB_TOKEN may read the repository, and that its issues are enabled"
        ]
    );
    // It is polled once it exists.
    world
        .github
        .create_repository("octocat/gone", &[("README.md", "# Back\n")]);
    let there = world.github.create_issue("octocat/gone", "Hello", "x", &["whim"]);
    world
        .until("the issue in the repository that was missing", |world| {
            world.github.issue("octocat/gone", there).labels == ["whim", "ai-processing"]
        })
        .await;
}

#[tokio::test]
async fn a_refused_token_is_logged_with_its_setting() {
    let logs = Logs::capture();
    let mut world = World::new().await;
    world.set("GITHUB_TOKEN", "ghp_wrong");
    world.create_issue("Say hello");
    world.start();
    world.until("a warning", |_| !logs.warnings().is_empty()).await;
    assert_eq!(
        errors(&logs)[0],
        "calling GitHub: listing issues: GitHub does not accept the token; check GITHUB_TOKEN"
    );
    assert_eq!(world.orchestrator.items(), []);
}

#[tokio::test]
async fn a_read_only_token_is_logged_once_per_poll_and_not_once_per_issue() {
    let mut world = World::new().await;
    let read_only = world.github.create_token("reader", Permissions::READ);
    world.set("GITHUB_TOKEN", read_only);
    for number in 0..20 {
        world.create_issue(&format!("Issue {number}"));
    }
    let logs = Logs::capture();
    world.set("POLL_INTERVAL", "60000");
    world.start();
    world
        .until("the attempt for each issue", |world| {
            world.orchestrator.items().len() == 20 && !logs.warnings().is_empty()
        })
        .await;
    let warnings = logs.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0]["failed"], 20);
    let error = warnings[0]["error"].as_str().unwrap();
    assert!(error.contains("GITHUB_TOKEN"), "{error}");
}

#[tokio::test]
async fn while_github_fails_a_poll_makes_few_calls_and_warns_once() {
    let mut world = World::new().await;
    for number in 0..20 {
        world.create_issue(&format!("Issue {number}"));
    }
    world.github.faults().push(
        Fault::on(Method::POST, LABELS)
            .server_error(StatusCode::BAD_GATEWAY)
            .always(),
    );
    world.set("POLL_INTERVAL", "60000");
    let logs = Logs::capture();
    world.start();
    world.until("a warning", |_| !logs.warnings().is_empty()).await;
    assert_eq!(world.github.count_requests(&Method::POST, LABELS), 3);
    assert_eq!(errors(&logs).len(), 1, "{:?}", logs.warnings());
    world.github.faults().clear();
    world.restart().await;
    world
        .until("the label on each issue", |world| {
            (1..=20).all(|issue| world.labels(issue) == ["whim", "ai-processing"])
        })
        .await;
}

#[tokio::test]
async fn an_error_with_one_issue_does_not_affect_others() {
    let mut world = World::new().await;
    let (first, second, third) = (
        world.create_issue("One"),
        world.create_issue("Two"),
        world.create_issue("Three"),
    );
    let path = LABELS.replace("{number}", &second.to_string());
    world.github.faults().push(
        Fault::on(Method::POST, &path)
            .server_error(StatusCode::INTERNAL_SERVER_ERROR)
            .always(),
    );
    world.start();
    for issue in [first, third] {
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
    }
    world.until_status(second, WorkItemStatus::Queued).await;
    assert_eq!(world.labels(second), ["whim"]);
}

#[tokio::test]
async fn while_the_orchestrator_is_unavailable_no_issue_changes_and_then_all_do() {
    let mut world = World::new().await;
    let issues: Vec<u64> = (0..10)
        .map(|number| world.create_issue(&format!("Issue {number}")))
        .collect();
    world.take_orchestrator_down();
    let logs = Logs::capture();
    world.start();
    world.until_polled_twice().await;
    let polls = world
        .github
        .count_requests(&Method::GET, &format!("/repos/{REPO}/issues"))
        / 2;
    let warnings = errors(&logs)
        .iter()
        .filter(|error| error.contains("Postgres is unavailable"))
        .count();
    // At most one from each poll, and one from the spec writer.
    assert!((1..=polls + 1).contains(&warnings), "{:?}", logs.warnings());
    assert!(issues.iter().all(|&issue| world.labels(issue) == ["whim"]));
    world.bring_orchestrator_up();
    for issue in issues {
        world.until_status(issue, WorkItemStatus::Queued).await;
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
    }
}

#[tokio::test]
async fn a_refused_api_key_is_logged_with_its_setting() {
    let logs = Logs::capture();
    let mut world = World::new().await;
    world.set("API_KEY", "another-key");
    world.create_issue("Say hello");
    world.start();
    world
        .until("a failed poll", |_| {
            errors(&logs)
                .iter()
                .any(|error| error.contains("(check API_KEY)"))
        })
        .await;
    assert_eq!(world.orchestrator.items(), []);
}

#[tokio::test]
async fn an_item_that_was_lost_with_the_database_is_submitted_again() {
    let mut world = World::running().await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.stop().await;
    world.orchestrator = Orchestrator::start();
    world.set("ORCHESTRATOR_URL", world.orchestrator.url());
    world.start();
    world.until_status(issue, WorkItemStatus::Queued).await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(issue, WorkItemStatus::Completed, json!({"prNumber": 9}));
    world.until_labelled(issue, &["whim", "ai-pr-ready"]).await;
}
