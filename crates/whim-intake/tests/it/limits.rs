//! GitHub limits the rate of calls.

use std::time::Duration;

use axum::http::Method;
use whim_testkit::github::Fault;

use crate::logs::Logs;
use crate::world::{REPO, World};

const ISSUES: &str = "/repos/{owner}/{repo}/issues";

#[tokio::test]
async fn while_the_rate_is_limited_nothing_is_sent_and_then_it_goes_on() {
    let limits = [
        Fault::on(Method::GET, ISSUES).rate_limited(Duration::from_secs(2)),
        Fault::on(Method::GET, ISSUES).secondary_limit(Duration::from_secs(1)),
        Fault::on(Method::GET, ISSUES).too_many_requests(Duration::from_secs(1)),
        Fault::on(Method::POST, &format!("{ISSUES}/{{number}}/labels"))
            .secondary_limit(Duration::from_secs(1)),
    ];
    for limit in limits {
        let logs = Logs::keep();
        let mut world = World::new().await;
        let issue = world.ask("Say hello");
        world.github.faults().push(limit);
        world.start();
        world.until("the limit", |_| !logs.warnings().is_empty()).await;
        let at_the_limit = world.github.requests().len();
        // Several looks are due meanwhile, and say that they cannot be made.
        world
            .until("looks that are not made", |_| logs.warnings().len() > 3)
            .await;
        assert_eq!(world.github.requests().len(), at_the_limit);
        world.until_labelled(issue, &["whim", "ai-processing"]).await;
        assert_eq!(world.orchestrator.items().len(), 1);
        let first = &logs.warnings()[0];
        let words = first["error"].as_str().unwrap_or_default();
        assert!(words.contains("GitHub limits the rate of calls"), "{first}");
    }
}

#[tokio::test]
async fn a_limit_that_one_repository_meets_holds_for_all_because_the_token_is_the_same() {
    let mut world = World::new().await;
    world
        .github
        .create_repository("octocat/other", &[("README.md", "# Other\n")]);
    world.github.faults().push(
        Fault::on(Method::GET, "/repos/octocat/other/issues")
            .after(2)
            .too_many_requests(Duration::from_secs(3600)),
    );
    world.set("REPOS", format!("{REPO},octocat/other"));
    world.start();
    world
        .until("the limit", |world| world.github.faults().pending() == 0)
        .await;
    let logs = Logs::keep();
    world
        .until("looks at both that are not made", |_| {
            let told = |repo: &str| {
                logs.warnings()
                    .iter()
                    .filter(|line| line["task"].as_str().is_some_and(|task| task.ends_with(repo)))
                    .count()
            };
            told(REPO) > 1 && told("octocat/other") > 1
        })
        .await;
    let before = world.github.requests().len();
    let told = logs.warnings().len();
    world
        .until("more looks that are not made", |_| {
            logs.warnings().len() > told + 4
        })
        .await;
    assert_eq!(world.github.requests().len(), before);
}
