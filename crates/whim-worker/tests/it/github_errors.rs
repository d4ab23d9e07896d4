use axum::http::{Method, StatusCode};
use whim_core::FailureCause;
use whim_testkit::github::{Access, Fault, Permissions};

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

const GIT: &str = "/{owner}/{repo}.git/{*rest}";

async fn check(world: World, cause: FailureCause, reason: &str) -> anyhow::Result<World> {
    world.run_expecting(2).await?;
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
async fn a_token_without_push_permission_is_detected_before_the_agent_starts() -> anyhow::Result<()> {
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
    assert!(world.script_output("arguments").is_err(), "the agent was started");
    Ok(())
}

#[tokio::test]
async fn a_repository_invisible_to_the_token_is_unusable() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let token = world.github.create_token("no-access", Permissions::NONE);

    let ended = world.start_with_token(&token)?.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert_eq!(world.failure()?.cause, FailureCause::WorkspaceUnusable);
    Ok(())
}

#[tokio::test]
async fn a_revoked_token_is_distinguished_from_a_missing_permission() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;

    let ended = world.start_with_token("ghp_revoked")?.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    assert_eq!(world.failure()?.cause, FailureCause::GitHubRefused);
    Ok(())
}

#[tokio::test]
async fn a_rejected_push_ends_the_attempt_with_githubs_message() -> anyhow::Result<()> {
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
async fn an_empty_repository_is_unusable() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world
        .github
        .bare_repository(REPO)
        .run(["update-ref", "-d", "refs/heads/main"])?;
    check(
        world,
        FailureCause::WorkspaceUnusable,
        "the repository or its default branch is empty",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_base_branch_is_named() -> anyhow::Result<()> {
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
async fn the_base_branch_is_never_changed() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?.assigned(|registered| {
        registered.work_item.branch = whim_core::BranchName::parse("main").unwrap();
    });
    let before = world.github.branch_head(REPO, "main");
    let world = check(
        world,
        FailureCause::WorkspaceUnusable,
        "the branch main is the base or default branch",
    )
    .await?;
    assert_eq!(world.github.branch_head(REPO, "main"), before);
    Ok(())
}

#[tokio::test]
async fn an_outage_of_github_is_retried_and_then_reported() -> anyhow::Result<()> {
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
        let world = World::new(FILES, HAPPY).await?;
        world
            .github
            .faults()
            .push(Fault::on(Method::GET, GIT).server_error(status).always());
        let world = check(world, FailureCause::GitHubUnavailable, status.as_str()).await?;
        assert!(world.github.requests().len() > 1, "it was not retried");
    }
    Ok(())
}

#[tokio::test]
async fn a_short_outage_of_github_is_retried() -> anyhow::Result<()> {
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

    world.run_expecting(0).await?;

    assert_eq!(world.github.faults().pending(), 0);
    Ok(())
}

#[tokio::test]
async fn commits_of_a_failed_push_are_pushed_with_the_next_ones() -> anyhow::Result<()> {
    let script = "begin; greet; signal half; await go; part; complete";
    let world = World::new(FILES, script).await?;
    // The first is the try before any work, the second the first commit.
    let push = Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    world
        .github
        .faults()
        .push(push.server_error(StatusCode::SERVICE_UNAVAILABLE).times(1));
    let worker = world.start()?;
    world.signalled("half").await?;
    whim_testkit::wait::wait_until("a failed push", std::time::Duration::from_secs(20), async || {
        let notices = world.orchestrator.notices();
        if notices.iter().any(|notice| notice.contains("pushed later")) {
            Ok(())
        } else {
            Err(format!("{notices:?}"))
        }
    })
    .await?;
    world.signal("go")?;

    let ended = worker.ended().await?;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(world.github.log(REPO, &format!("main..{BRANCH}")).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_push_with_a_lost_response_is_detected() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let push = Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    world.github.faults().push(push.cut_after().times(2));

    world.run_expecting(0).await?;

    assert_eq!(world.github.faults().pending(), 0);
    assert_eq!(world.github.log(REPO, &format!("main..{BRANCH}")).len(), 2);
    assert_eq!(world.github.pulls(REPO).len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_long_outage_of_github_ends_the_attempt_as_github_unavailable() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let push = Fault::on(Method::POST, "/{owner}/{repo}.git/git-receive-pack");
    world
        .github
        .faults()
        .push(push.server_error(StatusCode::BAD_GATEWAY).always());
    check(world, FailureCause::GitHubUnavailable, "GitHub is unavailable").await?;
    Ok(())
}

const WORKFLOW: &str = ".github/workflows/ci.yml";
/// GitHub's sentence in public reports; it stands in parentheses there, which a hook cannot do.
const WORKFLOW_REFUSED: &str = "error: refusing to allow a Personal Access Token to create or update workflow \
    `.github/workflows/ci.yml` without `workflow` scope";

#[tokio::test]
async fn a_push_refused_for_its_content_is_put_right_by_the_agent() -> anyhow::Result<()> {
    let script = format!(
        r#"begin
        if first; then greet; signal half; await go; mkdir -p .github/workflows
            commit {WORKFLOW} on 'Add a workflow'; await never
        else git reset -q --hard HEAD~1; part; fi; complete"#
    );
    let world = World::new(FILES, &script).await?;
    world.github.refuse_push_of(REPO, WORKFLOW, WORKFLOW_REFUSED);
    let worker = world.start()?;
    world.first_tick().await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let correction = world.script_output("correction")?;
    assert!(correction.contains("without `workflow` scope"), "{correction}");
    let kept = correction.split("every commit after ").nth(1).unwrap_or_default();
    assert!(
        kept.starts_with(&world.github.log(REPO, BRANCH)[1].hash),
        "{correction}"
    );
    assert_eq!(world.github.read_file(REPO, BRANCH, WORKFLOW), None);
    assert_eq!(world.github.log(REPO, &format!("main..{BRANCH}")).len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_push_that_stays_refused_ends_the_attempt_with_githubs_sentence() -> anyhow::Result<()> {
    let script = format!(
        r#"begin; if first; then greet; signal half; await go; mkdir -p .github/workflows
            commit {WORKFLOW} on 'Add a workflow'; fi
        committed again; echo x >> "$control/runs"; await never"#
    );
    let world = World::new(FILES, &script).await?;
    world.github.refuse_push_of(REPO, WORKFLOW, WORKFLOW_REFUSED);
    let worker = world.start()?;
    world.first_tick().await?;
    world.signal("go")?;

    let ended = worker.ended().await?;

    assert_eq!(ended.code, Some(2), "{}", ended.log);
    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::PushRefused);
    assert!(
        failure.reason.contains("without `workflow` scope"),
        "{}",
        failure.reason
    );
    assert_eq!(
        world.script_output("runs")?.lines().count(),
        3,
        "one run and two repairs"
    );
    let (spec, head) = world.orchestrator.checkpoint().unwrap();
    assert!(
        spec.contains("- [x] Add a greeting\n- [ ] Add a farewell"),
        "{spec}"
    );
    assert_eq!(world.branch_head(), Some(head));
    Ok(())
}

#[tokio::test]
async fn a_branch_whose_name_is_taken_is_found_before_the_agent_starts() -> anyhow::Result<()> {
    for name in ["whim".to_owned(), format!("{BRANCH}/more")] {
        let world = World::new(FILES, HAPPY).await?;
        world
            .github
            .commit_files(REPO, &name, "Begin", &[("begin.txt", "begin")]);

        let world = check(
            world,
            FailureCause::WorkspaceUnusable,
            &format!("the branch {name} exists"),
        )
        .await?;

        assert!(world.script_output("arguments").is_err(), "the agent was started");
    }
    Ok(())
}

#[tokio::test]
async fn a_clone_that_takes_too_long_has_a_cause_of_its_own() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?.with("GIT_TIMEOUT_SECONDS", "0.5");
    let clone = Fault::on(Method::POST, "/{owner}/{repo}.git/git-upload-pack");
    world
        .github
        .faults()
        .push(clone.delay(std::time::Duration::from_secs(30)).always());

    check(world, FailureCause::CloneTimedOut, "timed out").await?;
    Ok(())
}

#[tokio::test]
async fn a_damaged_repository_is_not_an_outage() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    let bare = world.github.bare_repository(REPO);
    let object = bare.run(["rev-parse", "main:README.md"])?;
    std::fs::remove_file(
        bare.directory()
            .join("objects")
            .join(&object[..2])
            .join(&object[2..]),
    )?;

    check(
        world,
        FailureCause::RepositoryDamaged,
        "possible repository corruption on the remote side",
    )
    .await?;
    Ok(())
}
