use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::json;
use whim_core::FailureCause;
use whim_testkit::github::Fault;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

const PULLS: &str = "/repos/{owner}/{repo}/pulls";

#[tokio::test]
async fn a_pull_request_with_a_lost_response_is_found() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world
        .github
        .faults()
        .push(Fault::on(Method::POST, PULLS).cut_after());

    world.run_expecting(0).await?;

    let pulls = world.github.pulls(REPO);
    assert_eq!(pulls.len(), 1);
    assert_eq!(world.completion()?.pr_number.get(), pulls[0].number);
    Ok(())
}

#[tokio::test]
async fn the_pull_request_of_an_earlier_attempt_is_reused() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world.run_expecting(0).await?;
    let first = world.completion()?;
    let spec = first.spec.clone();
    world.reassign(|registered| {
        registered.work_item.spec = spec;
        registered.work_item.head_sha = Some(first.head_sha.clone());
    });
    world.write_ralph("begin; complete")?;

    world.run_expecting(0).await?;

    assert_eq!(world.completion()?.pr_number, first.pr_number);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    assert_eq!(world.github.count_requests(&Method::POST, PULLS), 1);
    Ok(())
}

#[tokio::test]
async fn a_short_outage_of_github_is_retried() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let faults = world.github.faults();
    faults.push(Fault::on(Method::GET, PULLS).server_error(StatusCode::BAD_GATEWAY));
    faults.push(Fault::on(Method::POST, PULLS).server_error(StatusCode::INTERNAL_SERVER_ERROR));
    faults.push(Fault::on(Method::POST, PULLS).too_many_requests(Duration::ZERO));

    world.run_expecting(0).await?;

    assert_eq!(world.github.faults().pending(), 0);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_rejected_pull_request_keeps_the_branch() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let refusal = "The title is not allowed here";
    world
        .github
        .faults()
        .push(Fault::on(Method::POST, PULLS).validation_failed(refusal).always());

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::PullRequestRefused);
    assert!(failure.reason.contains(refusal), "{}", failure.reason);
    assert!(failure.tests.is_some_and(|tests| tests.passed));
    assert_eq!(world.github.log(REPO, &format!("main..{BRANCH}")).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_missing_pull_request_permission_is_reported() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let body = json!({"message": "Resource not accessible by personal access token", "status": "403",
        "documentation_url": "https://docs.github.com/rest/pulls/pulls#create-a-pull-request"});
    world.github.faults().push(
        Fault::on(Method::POST, PULLS)
            .answer(StatusCode::FORBIDDEN, &body)
            .always(),
    );

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::PullRequestRefused);
    assert!(
        failure.reason.contains("Resource not accessible"),
        "{}",
        failure.reason
    );
    Ok(())
}

#[tokio::test]
async fn the_reset_time_of_a_github_rate_limit_is_reported() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let limit = Fault::on(Method::POST, PULLS).rate_limited(Duration::from_mins(30));
    world.github.faults().push(limit.always());

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::GitHubUnavailable);
    let wait = failure.retry_after_seconds.unwrap();
    assert!((1700..=1801).contains(&wait), "{wait}");
    Ok(())
}

#[tokio::test]
async fn untrusted_text_mentions_no_one_and_closes_no_other_issue() -> anyhow::Result<()> {
    let spec = "# Say hello @octocat, fixes #2\n\nCloses #3 <!-- x -->\n\n- [ ] Add a greeting\n- [ ] Add a farewell\n";
    let world = World::new(FILES, HAPPY)
        .await?
        .assigned(|registered| registered.work_item.spec = spec.to_owned());

    world.run_expecting(0).await?;

    let pull = &world.github.pulls(REPO)[0];
    let body = pull.body.clone().unwrap_or_default();
    for active in ["@octocat", "#2", "#3", "<!--"] {
        assert!(
            !body.contains(active) && !pull.title.contains(active),
            "{active}: {} {body}",
            pull.title
        );
    }
    assert!(body.contains("\n\nCloses #1\n\n"), "{body}");
    Ok(())
}
