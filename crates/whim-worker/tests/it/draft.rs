//! Work whose checks stay red becomes a draft pull request, which a later attempt finishes.

use axum::http::{Method, StatusCode};
use serde_json::json;
use whim_core::{BranchName, FailureCause};
use whim_testkit::github::{Fault, Pull};

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

const POLICY: &str = ".whim/config.yml";
/// Passes without a farewell, and with one after the repair.
const MAKEFILE: (&str, &str) = (
    "Makefile",
    "test:\n\t@if [ -e farewell.txt ]; then cat fixed.txt; fi\n",
);

fn pull(world: &World) -> Pull {
    let mut pulls = world.github.pulls(REPO);
    assert_eq!(pulls.len(), 1);
    pulls.remove(0)
}

/// The next attempt finds the work of this one, and repairs it.
fn resume(world: &World) -> anyhow::Result<()> {
    let head = world.branch_head().unwrap_or_default();
    let head = crate::world::commit(&head)?;
    world.reassign(|registered| {
        registered.work_item.spec = registered.work_item.spec.replace("[ ]", "[x]");
        registered.work_item.head_sha = Some(head);
    });
    let repair = "begin; iteration 1; commit fixed.txt fixed 'Repair'; tick 0 'The failed checks pass'; iteration_done 1; complete";
    world.write_ralph(&format!(
        "case $spec in *repair.md) {repair} ;; esac; begin; complete"
    ))
}

#[tokio::test]
async fn red_work_becomes_a_draft_that_says_so_and_a_later_attempt_finishes_it() -> anyhow::Result<()> {
    let world = World::new(&[MAKEFILE], HAPPY).await?;

    world.run_expecting(2).await?;

    let draft = pull(&world);
    let body = draft.body.clone().unwrap_or_default();
    assert!(draft.draft);
    assert!(
        body.starts_with("> [!CAUTION]\n> Required checks fail because of this change: `make`."),
        "{body}"
    );
    assert!(body.contains("\nFor #1\n") && !body.contains("Closes"), "{body}");
    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    let link = format!("/{REPO}/pull/{}\n\nthe check `make` failed", draft.number);
    assert!(failure.reason.contains(&link), "{}", failure.reason);

    resume(&world)?;
    let world = world.with("REPAIR_ITERATIONS", "2");
    world.run_expecting(0).await?;

    let ready = pull(&world);
    let body = ready.body.clone().unwrap_or_default();
    assert!(!ready.draft);
    assert_eq!(ready.number, draft.number);
    assert!(body.contains("Closes #1") && !body.contains("CAUTION"), "{body}");
    Ok(())
}

#[tokio::test]
async fn a_repository_may_want_no_drafts() -> anyhow::Result<()> {
    let world = World::new(&[MAKEFILE, (POLICY, "draft: never\n")], HAPPY).await?;

    world.run_expecting(2).await?;

    assert!(world.github.pulls(REPO).is_empty());
    assert!(world.branch_head().is_some(), "the work was not kept");
    Ok(())
}

#[tokio::test]
async fn where_github_has_no_drafts_the_failure_is_that_of_the_checks() -> anyhow::Result<()> {
    let world = World::new(&[MAKEFILE], HAPPY).await?;
    let refusal = "Draft pull requests are not supported in this repository.";
    let fault = Fault::on(Method::POST, "/repos/{owner}/{repo}/pulls").validation_failed(refusal);
    world.github.faults().push(fault.always());

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure.reason.starts_with("the check `make` failed"),
        "{}",
        failure.reason
    );
    let notices = world.orchestrator.notices();
    assert!(
        notices.iter().any(|notice| notice.contains(refusal)),
        "{notices:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_pull_request_that_a_person_opened_keeps_its_texts() -> anyhow::Result<()> {
    let world = World::new(&[MAKEFILE, (POLICY, "draft: never\n")], HAPPY).await?;
    world.run_expecting(2).await?;
    let number = world.github.create_pull(REPO, BRANCH, "main", "My own");

    resume(&world)?;
    let world = world.with("REPAIR_ITERATIONS", "2");
    world.run_expecting(0).await?;

    let found = pull(&world);
    assert_eq!(
        (found.number, found.title.as_str(), found.body),
        (number, "My own", None)
    );
    Ok(())
}

#[tokio::test]
async fn a_pull_request_into_another_branch_than_the_default_one_does_not_claim_to_close_the_issue()
-> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    world
        .github
        .commit_files(REPO, "stable", "Start", &[("stable.txt", "stable\n")]);
    let world = world.assigned(|registered| {
        registered.work_item.metadata.base = Some(BranchName::parse("stable").unwrap());
    });

    world.run_expecting(0).await?;

    let body = pull(&world).body.unwrap_or_default();
    assert!(
        body.contains(
            "For #1. Merging does not close the issue, because the base is not the default branch `main`."
        ),
        "{body}"
    );
    Ok(())
}

#[tokio::test]
async fn a_delivered_pull_request_whose_branch_became_red_is_a_draft_again() -> anyhow::Result<()> {
    let world = World::new(&[MAKEFILE, ("fixed.txt", "fixed\n")], HAPPY).await?;
    world.run_expecting(0).await?;
    assert!(!pull(&world).draft);
    let head = crate::world::commit(&world.branch_head().unwrap_or_default())?;
    world.reassign(|registered| registered.work_item.head_sha = Some(head));
    world.write_ralph("begin; iteration 1; git rm -q fixed.txt; git commit -qm Break; committed Break; mark 'Add a greeting'; tick 1 'Add a farewell'; iteration_done 1; complete")?;

    world.run_expecting(2).await?;

    let found = pull(&world);
    assert!(found.draft, "{found:?}");
    assert!(found.body.unwrap_or_default().contains("CAUTION"));
    Ok(())
}

#[tokio::test]
async fn what_a_person_must_check_makes_a_draft_or_is_said_where_there_are_none() -> anyhow::Result<()> {
    let policy = (POLICY, "protectedPaths: ['farewell.*']\nmaxDiff: {files: 1}\n");
    let files = [policy, FILES[0], FILES[1]];
    for has_drafts in [true, false] {
        let world = World::new(&files, HAPPY).await?;
        if !has_drafts {
            let refusal = "Draft pull requests are not supported in this repository.";
            let fault = Fault::on(Method::POST, "/repos/{owner}/{repo}/pulls");
            world.github.faults().push(fault.validation_failed(refusal));
        }

        world.run_expecting(0).await?;

        let found = pull(&world);
        assert_eq!(found.draft, has_drafts);
        let body = found.body.unwrap_or_default();
        for part in [
            "A person has to check this before it is merged",
            "> - Protected files are changed: `farewell.txt`.",
            "2 changed files, 1 are allowed",
            "Closes #1",
        ] {
            assert!(body.contains(part), "{part}: {body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_draft_that_cannot_be_marked_as_ready_is_delivered_with_what_to_do() -> anyhow::Result<()> {
    let world = World::new(&[MAKEFILE], HAPPY).await?;
    world.run_expecting(2).await?;
    resume(&world)?;
    let errors =
        json!({ "data": null, "errors": [{ "type": "FORBIDDEN", "message": "Resource not accessible" }] });
    let fault = Fault::on(Method::POST, "/graphql").answer(StatusCode::OK, &errors);
    world.github.faults().push(fault.always());
    let world = world.with("REPAIR_ITERATIONS", "2");

    world.run_expecting(0).await?;

    assert!(pull(&world).draft);
    let expected = format!(
        "Mark the pull request #{} as ready for review",
        pull(&world).number
    );
    let notices = world.orchestrator.notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.contains(&expected) && notice.contains("Resource not accessible")),
        "{notices:?}"
    );
    Ok(())
}
