//! GitHub or the orchestrator refuses, breaks or is away: what is logged, and that the rest goes on.

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
async fn a_repository_that_github_does_not_know_is_told_of_once_and_stops_no_other() {
    let logs = Logs::keep();
    let mut world = World::new().await;
    world.set("REPOS", format!("octocat/gone,{REPO}"));
    world.start();
    let issue = world.ask("Say hello");
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.looked_around().await;
    assert_eq!(
        errors(&logs),
        [
            "listing issues: GitHub knows no /repos/octocat/gone/issues; check REPOS, that GITHUB_TOKEN may see the repository, and that it has issues"
        ]
    );
    // It is found when it is there.
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
async fn a_token_that_is_not_accepted_is_told_of_with_its_setting() {
    let logs = Logs::keep();
    let mut world = World::new().await;
    world.set("GITHUB_TOKEN", "ghp_wrong");
    world.ask("Say hello");
    world.start();
    world.until("a warning", |_| !logs.warnings().is_empty()).await;
    assert_eq!(
        errors(&logs)[0],
        "asking GitHub: listing issues: GitHub does not accept the token; check GITHUB_TOKEN"
    );
    assert_eq!(world.orchestrator.items(), []);
}

#[tokio::test]
async fn a_token_that_may_only_read_is_told_of_once_a_look_and_not_once_an_issue() {
    let mut world = World::new().await;
    let read_only = world.github.create_token("reader", Permissions::READ);
    world.set("GITHUB_TOKEN", read_only);
    for number in 0..20 {
        world.ask(&format!("Issue {number}"));
    }
    let logs = Logs::keep();
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
async fn while_github_is_broken_each_look_tries_little_and_warns_once() {
    let mut world = World::new().await;
    for number in 0..20 {
        world.ask(&format!("Issue {number}"));
    }
    world.github.faults().push(
        Fault::on(Method::POST, LABELS)
            .server_error(StatusCode::BAD_GATEWAY)
            .always(),
    );
    world.set("POLL_INTERVAL", "60000");
    let logs = Logs::keep();
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
async fn trouble_with_one_issue_is_no_other_issues_trouble() {
    let mut world = World::new().await;
    let (first, second, third) = (world.ask("One"), world.ask("Two"), world.ask("Three"));
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
async fn while_the_orchestrator_is_away_no_issue_is_touched_and_then_all_are() {
    let mut world = World::new().await;
    let issues: Vec<u64> = (0..10)
        .map(|number| world.ask(&format!("Issue {number}")))
        .collect();
    world.take_orchestrator_down();
    let logs = Logs::keep();
    world.start();
    world.until("two looks", |_| logs.warnings().len() > 2).await;
    let writers = errors(&logs)
        .iter()
        .filter(|error| error.contains("Postgres is unavailable"))
        .count();
    let looks = world
        .github
        .count_requests(&Method::GET, &format!("/repos/{REPO}/issues"))
        / 2;
    // One from each look, and one from the writer of specs.
    assert!(writers <= looks + 1, "{:?}", logs.warnings());
    assert!(issues.iter().all(|&issue| world.labels(issue) == ["whim"]));
    world.bring_orchestrator_up();
    for issue in issues {
        world.until_status(issue, WorkItemStatus::Queued).await;
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
    }
}

#[tokio::test]
async fn a_key_that_the_orchestrator_does_not_accept_is_told_of_with_its_setting() {
    let logs = Logs::keep();
    let mut world = World::new().await;
    world.set("API_KEY", "another-key");
    world.ask("Say hello");
    world.start();
    world
        .until("a look that failed", |_| {
            errors(&logs)
                .iter()
                .any(|error| error.contains("(check API_KEY)"))
        })
        .await;
    assert_eq!(world.orchestrator.items(), []);
}

#[tokio::test]
async fn an_item_that_vanished_with_the_orchestrators_memory_is_submitted_anew() {
    let mut world = World::running().await;
    let issue = world.ask("Say hello");
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
