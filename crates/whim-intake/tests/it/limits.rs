//! GitHub limits the rate of calls.

use std::time::Duration;

use axum::http::Method;
use serde_json::Value;
use whim_testkit::github::Fault;

use crate::logs::Logs;
use crate::world::{REPO, World};

const ISSUES: &str = "/repos/{owner}/{repo}/issues";
const OTHER_REPO: &str = "octocat/other";

/// The log lines about limits, of all levels but debug.
fn limit_lines(logs: &Logs) -> Vec<Value> {
    let mut lines = logs.of_levels(&["INFO", "WARN", "ERROR"]);
    lines.retain(|line| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains("limit"))
    });
    lines
}

#[tokio::test]
async fn while_the_rate_is_limited_no_call_is_sent_and_the_log_has_one_line() {
    let limits = [
        Fault::on(Method::GET, ISSUES).rate_limited(Duration::from_secs(2)),
        Fault::on(Method::GET, ISSUES).secondary_limit(Duration::from_secs(1)),
        Fault::on(Method::GET, ISSUES).too_many_requests(Duration::from_secs(1)),
        Fault::on(Method::POST, &format!("{ISSUES}/{{number}}/labels"))
            .secondary_limit(Duration::from_secs(1)),
    ];
    for limit in limits {
        let logs = Logs::capture();
        let world = World::running().await;
        world.until_examined().await;
        world.github.faults().push(limit);
        let issue = world.create_issue("Say hello");
        world.until("the limit", |_| !logs.warnings().is_empty()).await;
        let polls_after = async |more: usize| {
            let before = logs.count_polls(REPO);
            world
                .until("polls", |_| logs.count_polls(REPO) > before + more)
                .await;
        };
        // A call that was sent before the limit may be in progress.
        polls_after(1).await;
        let calls = world.github.requests().len();
        polls_after(3).await;
        assert_eq!(world.github.requests().len(), calls);
        assert_eq!(logs.warnings().len(), 1, "{:?}", logs.warnings());
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
        assert_eq!(world.orchestrator.items().len(), 1);
        let lines = limit_lines(&logs);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1]["blocked_calls"].as_u64() > Some(3), "{lines:?}");
    }
}

#[tokio::test]
async fn a_limit_blocks_all_repositories_and_is_logged_once_for_all() {
    let logs = Logs::capture();
    let mut world = World::new().await;
    world
        .github
        .create_repository(OTHER_REPO, &[("README.md", "# Other\n")]);
    world.set("REPOS", format!("{REPO},{OTHER_REPO}"));
    world.start();
    world.until_examined().await;
    world.github.faults().push(
        Fault::on(Method::GET, "/repos/octocat/other/issues")
            .after(2)
            .too_many_requests(Duration::from_secs(3600)),
    );
    world.until("the limit", |_| !logs.warnings().is_empty()).await;
    let both_polled = async |more: usize| {
        let polls = || [REPO, OTHER_REPO].map(|repo| logs.count_polls(repo));
        let before = polls();
        let done = |_: &World| {
            polls()
                .iter()
                .zip(before)
                .all(|(now, before)| *now > before + more)
        };
        world.until("polls of both repositories", done).await;
    };
    // A call that was sent before the limit may be in progress.
    both_polled(1).await;
    let calls = world.github.requests().len();
    both_polled(4).await;
    assert_eq!(world.github.requests().len(), calls);
    let warnings = logs.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0]["wait_seconds"].as_u64() > Some(3500), "{warnings:?}");
}
