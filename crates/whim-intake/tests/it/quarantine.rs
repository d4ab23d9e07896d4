//! Learnings that wait for their pull request.

use serde_json::json;
use whim_core::WorkItemStatus;
use whim_core::protocol::learnings::PullRequestOutcome;
use whim_testkit::github::State;

use crate::world::{REPO, World};

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
