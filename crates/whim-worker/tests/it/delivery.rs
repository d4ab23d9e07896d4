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
    // A rate limit is waited for at least a second.
    let world = World::new(FILES, HAPPY)
        .await?
        .with("GITHUB_RETRY_TIMEOUT_SECONDS", "20");
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
    for active in ["@octocat", "#2", "#3", "<!-- x"] {
        assert!(
            !body.contains(active) && !pull.title.contains(active),
            "{active}: {} {body}",
            pull.title
        );
    }
    assert!(body.contains("\n\nCloses #1\n\n"), "{body}");
    Ok(())
}

/// GitHub's answers to requests that come too fast, which it does not announce with a header.
#[tokio::test]
async fn a_secondary_limit_without_a_header_is_waited_for() -> anyhow::Result<()> {
    let secondary = json!({"message": "You have exceeded a secondary rate limit and have been temporarily blocked from \
        content creation. Please retry your request again later."});
    let too_quickly = json!({"message": "Validation Failed", "errors": [{"resource": "PullRequest", "code": "custom",
        "message": "was submitted too quickly"}]});
    for (status, body) in [
        (StatusCode::FORBIDDEN, secondary),
        (StatusCode::UNPROCESSABLE_ENTITY, too_quickly),
    ] {
        let world = World::new(FILES, HAPPY).await?;
        world
            .github
            .faults()
            .push(Fault::on(Method::POST, PULLS).answer(status, &body).always());

        world.run_expecting(2).await?;

        let failure = world.failure()?;
        assert_eq!(failure.cause, FailureCause::GitHubUnavailable, "{status}");
        assert_eq!(failure.retry_after_seconds, Some(61), "{status}");
    }
    Ok(())
}

#[tokio::test]
async fn a_renamed_or_transferred_repository_gets_its_pull_request() -> anyhow::Result<()> {
    for new_name in ["acme/store", "globex/shop"] {
        let script = "begin; greet; signal half; await go; part; complete";
        let world = World::new(FILES, script).await?;
        let worker = world.start()?;
        world.signalled("half").await?;
        world.github.move_repository(REPO, new_name);
        world.signal("go")?;

        let ended = worker.ended().await?;

        assert_eq!(ended.code, Some(0), "{}", ended.log);
        let pulls = world.github.pulls(new_name);
        assert_eq!(pulls.len(), 1);
        let complete = world.completion()?;
        assert_eq!(complete.pr_number.get(), pulls[0].number);
        assert!(complete.pr_url.contains(new_name), "{}", complete.pr_url);
        assert_eq!(world.github.log(new_name, &format!("main..{BRANCH}")).len(), 2);
    }
    Ok(())
}

/// The redirect of a write, which no HTTP client follows by itself.
#[tokio::test]
async fn a_pull_request_that_is_redirected_is_opened_there() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let body = json!({"message": "Temporary Redirect"});
    let redirect = Fault::on(Method::POST, PULLS)
        .answer(StatusCode::TEMPORARY_REDIRECT, &body)
        .header(
            "location",
            &format!("{}/repositories/1/pulls", world.github.api_url()),
        );
    world.github.faults().push(redirect);

    world.run_expecting(0).await?;

    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_commit_that_closes_another_issue_is_flagged() -> anyhow::Result<()> {
    let script = "begin; greet; iteration 2; commit farewell.txt goodbye 'Add a farewell, fixes #99'; \
        tick 1 'Add a farewell'; iteration_done 2; complete";
    let world = World::new(FILES, script).await?;

    world.run_expecting(0).await?;

    let body = world.github.pulls(REPO)[0].body.clone().unwrap_or_default();
    assert!(
        body.contains("Commit messages of this branch also close `#\u{200b}99`"),
        "{body}"
    );
    Ok(())
}

/// Their names exceed the limit on what git may print.
#[tokio::test]
async fn green_work_with_too_many_files_to_list_is_delivered() -> anyhow::Result<()> {
    let script = "begin; greet; mkdir many; (cd many; seq -f %0220.0f 20000 | xargs touch)
        git add many; git commit -qm 'Add files'; part; complete";
    let policy = (".whim/config.yml", "signOff: true\n");
    let world = World::new(&[FILES, &[policy]].concat(), script).await?;

    world.run_expecting(0).await?;

    let pull = &world.github.pulls(REPO)[0];
    let body = pull.body.clone().unwrap_or_default();
    assert!(pull.draft);
    assert!(
        body.contains("The policy wants sign-offs, and the commits could not be read."),
        "{body}"
    );
    Ok(())
}
