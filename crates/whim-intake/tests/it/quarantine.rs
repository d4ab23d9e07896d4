//! Learnings that wait for their pull request.

use axum::http::{Method, StatusCode};
use serde_json::json;
use whim_core::WorkItemStatus;
use whim_core::protocol::learnings::PullRequestOutcome;
use whim_testkit::github::{Fault, State};

use crate::world::{REPO, World};

const OTHER_REPO: &str = "octocat/other";

#[tokio::test]
async fn the_intake_reports_what_became_of_pull_requests_that_learnings_wait_for() {
    let world = World::running().await;
    let mut items = Vec::new();
    for title in ["merged", "closed", "open"] {
        let issue = world.create_issue(title);
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
        world.until_status(issue, WorkItemStatus::Queued).await;
        let item = world.item(issue).unwrap();
        let branch = item.branch.as_str();
        world
            .github
            .commit_files(REPO, branch, "Change", &[(&format!("{title}.md"), title)]);
        let number = world.github.create_pull(REPO, branch, "main", title);
        let url = format!("https://github.com/{REPO}/pull/{number}");
        world.end_run(
            issue,
            WorkItemStatus::Completed,
            json!({ "prNumber": number, "prUrl": url }),
        );
        world.orchestrator.quarantine_learning(item.id);
        items.push((item.id, number));
    }

    world.github.merge_pull(REPO, items[0].1);
    world.github.set_state(REPO, items[1].1, State::Closed);
    world
        .until("both decisions", |world| {
            world.orchestrator.quarantine_decisions().len() >= 2
        })
        .await;
    world.until_polled_twice().await;

    let mut decisions = world.orchestrator.quarantine_decisions();
    decisions.sort_by_key(|(item, _)| *item);
    assert_eq!(
        decisions,
        [
            (items[0].0, PullRequestOutcome::Merged),
            (items[1].0, PullRequestOutcome::Closed)
        ]
    );
}

#[tokio::test]
async fn a_pull_request_that_cannot_be_asked_for_does_not_delay_others() {
    let world = World::running().await;
    let submit = |repo: &str, number: u64| {
        let item = world.submit(json!({ "repo": repo, "spec": "# Greet\n\n## Tasks\n\n- [ ] Greet\n" }));
        let url = format!("https://github.com/{repo}/pull/{number}");
        world.orchestrator.end_run(
            item.id,
            WorkItemStatus::Completed,
            &json!({ "prNumber": number, "prUrl": url }),
        );
        item
    };
    world
        .github
        .create_repository(OTHER_REPO, &[("README.md", "# Other\n")]);
    let unavailable = Fault::on(Method::GET, &format!("/repos/{REPO}/pulls"))
        .server_error(StatusCode::INTERNAL_SERVER_ERROR)
        .always();
    world.github.faults().push(unavailable);
    let first = submit(REPO, 1);
    let second = submit(OTHER_REPO, 1);
    let branch = second.branch.as_str();
    world
        .github
        .commit_files(OTHER_REPO, branch, "Change", &[("greeting.md", "hello")]);
    assert_eq!(world.github.create_pull(OTHER_REPO, branch, "main", "Greet"), 1);
    world.github.merge_pull(OTHER_REPO, 1);
    world.orchestrator.quarantine_learning(first.id);
    world.orchestrator.quarantine_learning(second.id);

    world
        .until("a decision", |world| {
            !world.orchestrator.quarantine_decisions().is_empty()
        })
        .await;
    assert_eq!(
        world.orchestrator.quarantine_decisions(),
        [(second.id, PullRequestOutcome::Merged)]
    );
}
