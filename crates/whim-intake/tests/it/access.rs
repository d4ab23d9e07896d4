//! What the credentials may do, as it is reported to the orchestrator.

use serde_json::json;
use whim_core::protocol::intake::{IntakeAccess, PermissionOutcome};
use whim_testkit::github::{Access, Permissions};

use crate::world::{REPO, World};

async fn first_report(world: &World) -> IntakeAccess {
    world.until_examined().await;
    world.orchestrator.access_reports().remove(0)
}

#[tokio::test]
async fn what_the_credentials_may_do_is_reported_and_nothing_is_changed_to_find_out() {
    let world = World::running().await;

    let access = first_report(&world).await;

    let account = access.token.account.unwrap();
    assert_eq!(account.login, "whim-bot");
    assert_eq!(access.token.problem, None);
    let [repository] = access.repositories.as_slice() else {
        panic!("{:?}", access.repositories);
    };
    assert_eq!(
        json!(repository),
        json!({
            "repo": REPO, "contents": "granted", "issues": "granted", "pullRequests": "granted", "problems": [],
        })
    );
    assert_eq!(access.spec_model.problem, None);
    assert!(world.github.labels(REPO).is_empty());
    assert!(world.github.pulls(REPO).is_empty());
}

#[tokio::test]
async fn missing_permissions_and_repositories_and_models_are_reported_with_what_to_do() {
    let mut world = World::new().await;
    let permissions = Permissions {
        contents: Access::Read,
        issues: Access::Read,
        pull_requests: Access::Read,
    };
    let token = world.github.create_token("whim-bot", permissions);
    world.set("GITHUB_TOKEN", token);
    world.set("REPOS", format!("{REPO},octocat/missing"));
    world.set("SPEC_MODEL", "retired-model");
    world.start();

    let access = first_report(&world).await;

    let [known, missing] = access.repositories.as_slice() else {
        panic!("{:?}", access.repositories);
    };
    for outcome in [known.contents, known.issues, known.pull_requests] {
        assert_eq!(outcome, PermissionOutcome::Missing, "{known:?}");
    }
    assert_eq!(known.problems.len(), 3, "{known:?}");
    for text in [
        "write access to its contents",
        "issues may not be labelled",
        "pull requests may not be opened",
    ] {
        assert!(known.problems.join("\n").contains(text), "{text} in {known:?}");
    }
    assert!(missing.problems[0].contains("check REPOS"), "{missing:?}");
    let problem = access.spec_model.problem.unwrap();
    assert!(
        problem.contains("set SPEC_MODEL to a model that exists"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_reported_once_and_not_for_each_repository() {
    let mut world = World::new().await;
    world.set("GITHUB_TOKEN", "ghp_revoked");
    world.start();

    let access = first_report(&world).await;

    assert_eq!(access.token.account, None);
    assert!(access.token.problem.unwrap().contains("create another one"));
    assert!(access.repositories.is_empty());
}
