use axum::http::{Method, StatusCode};
use whim_core::FailureCause;
use whim_testkit::github::{Access, Fault, Permissions};

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

const GIT: &str = "/{owner}/{repo}.git/{*rest}";

async fn check(world: World, cause: FailureCause, reason: &str) -> anyhow::Result<World> {
    world.run_to(2).await?;
    let failure = world.failure()?;
    assert_eq!(
        (failure.cause, failure.reason.contains(reason)),
        (cause, true),
        "{}",
        failure.reason
    );
    assert!(world.github.pulls(REPO).is_empty());
    Ok(world)
}

#[tokio::test]
async fn a_token_that_may_not_push_is_found_out_before_any_work() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let permissions = Permissions {
        contents: Access::Read,
        ..Permissions::WRITE
    };
    let token = world.github.create_token("reader", permissions);

    let ended = world.start_with_token(&token)?.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::PushRefused);
    assert!(failure.reason.contains("403"), "{}", failure.reason);
    assert!(world.note("arguments").is_err(), "the agent was started");
    Ok(())
}

#[tokio::test]
async fn a_repository_that_the_token_does_not_see_cannot_be_used() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let token = world.github.create_token("nobody", Permissions::NONE);

    let ended = world.start_with_token(&token)?.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert_eq!(world.failure()?.cause, FailureCause::WorkspaceUnusable);
    Ok(())
}

#[tokio::test]
async fn a_token_that_was_revoked_is_told_from_one_that_may_not() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;

    let ended = world.start_with_token("ghp_revoked")?.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert_eq!(world.failure()?.cause, FailureCause::GitHubRefused);
    Ok(())
}

#[tokio::test]
async fn a_push_that_is_refused_for_good_ends_the_attempt_with_githubs_words() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world.github.refuse_push(REPO);
    let world = check(
        world,
        FailureCause::PushRefused,
        "GH006: Protected branch update failed",
    )
    .await?;
    assert_eq!(world.branch_head(), None);
    Ok(())
}

#[tokio::test]
async fn an_empty_repository_cannot_be_used() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world
        .github
        .bare_repository(REPO)
        .run(["update-ref", "-d", "refs/heads/main"])?;
    check(world, FailureCause::WorkspaceUnusable, "the repository is empty").await?;
    Ok(())
}

#[tokio::test]
async fn a_base_that_is_missing_is_named() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?.assigned(|registered| {
        registered.work_item.metadata.base = Some(whim_core::BranchName::parse("release").unwrap());
    });
    check(
        world,
        FailureCause::WorkspaceUnusable,
        "the base branch release does not exist",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn the_base_itself_is_never_worked_on() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?.assigned(|registered| {
        registered.work_item.branch = whim_core::BranchName::parse("main").unwrap();
    });
    let before = world.github.branch_head(REPO, "main");
    let world = check(
        world,
        FailureCause::WorkspaceUnusable,
        "the branch main is the one",
    )
    .await?;
    assert_eq!(world.github.branch_head(REPO, "main"), before);
    Ok(())
}

#[tokio::test]
async fn a_github_that_is_away_is_waited_for_and_then_told() -> anyhow::Result<()> {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        let world = World::new(FILES, HAPPY).await?;
        world
            .github
            .faults()
            .push(Fault::on(Method::GET, GIT).server_error(status).always());
        let world = check(world, FailureCause::GitHubUnavailable, status.as_str()).await?;
        assert!(world.github.requests().len() > 1, "it was not tried again");
    }
    Ok(())
}

#[tokio::test]
async fn a_short_absence_of_github_goes_unnoticed() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world.github.faults().push(
        Fault::on(Method::GET, GIT)
            .server_error(StatusCode::BAD_GATEWAY)
            .times(2),
    );
    world
        .github
        .faults()
        .push(Fault::on(Method::POST, "/{owner}/{repo}.git/git-upload-pack").cut_before());

    world.run_to(0).await?;

    assert_eq!(world.github.faults().pending(), 0);
    Ok(())
}

#[tokio::test]
async fn commits_that_could_not_be_pushed_go_with_the_next_ones() -> anyhow::Result<()> {
    let script = "begin; greet; tell half; await go; part; complete";
    let world = World::new(FILES, script).await?;
    // The first is the try before any work, the second the first commit.
    let push = Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    world
        .github
        .faults()
        .push(push.server_error(StatusCode::SERVICE_UNAVAILABLE).times(1));
    let worker = world.start()?;
    world.told("half").await?;
    whim_testkit::wait::wait_until("a failed push", std::time::Duration::from_secs(20), async || {
        let notices = world.orchestrator.notices();
        if notices.iter().any(|notice| notice.contains("pushed later")) {
            Ok(())
        } else {
            Err(format!("{notices:?}"))
        }
    })
    .await?;
    world.tell("go")?;

    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.github.log(REPO, &format!("main..{BRANCH}")).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_push_whose_answer_is_lost_is_found_again() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let push = Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    world.github.faults().push(push.cut_after().times(2));

    world.run_to(0).await?;

    assert_eq!(world.github.faults().pending(), 0);
    assert_eq!(world.github.log(REPO, &format!("main..{BRANCH}")).len(), 2);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_github_that_went_away_for_good_ends_the_attempt_without_blame() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let push = Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    world
        .github
        .faults()
        .push(push.server_error(StatusCode::BAD_GATEWAY).always());
    check(world, FailureCause::GitHubUnavailable, "GitHub is not available").await?;
    Ok(())
}
