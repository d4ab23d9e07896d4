//! Work whose checks stay red becomes a draft pull request, which a later attempt finishes.

use axum::http::Method;
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
        body.starts_with("> [!CAUTION]\n> Required checks fail because of this change, and the agent could not repair them: `make`."),
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
