//! Checks that fail because of the change are repaired by the agent.

use ralph_contract::SpecDocument;
use whim_core::FailureCause;
use whim_core::protocol::events::WorkerEventBody;

use crate::world::{BRANCH, REPO, SPEC, World, commit};

/// Passes without a farewell, and with one after the repair.
const FILES: &[(&str, &str)] = &[(
    "Makefile",
    "test:\n\t@if [ -e farewell.txt ]; then echo greeted badly; cat fixed.txt; fi\n",
)];

/// A script that does both tasks in its first run, and `repair` in the runs for a repair.
fn script(repair: &str) -> String {
    format!(
        r#"case $spec in
*repair.md)
    echo run >> "$control/repairs"
    cat "$spec" > "$control/repair-at-start"
    begin; {repair}
    ;;
esac
case $(cat "$spec") in *'[ ]'*) begin; greet; part; complete ;; *) begin; complete ;; esac"#
    )
}

const FIXES: &str = "iteration 1; commit fixed.txt fixed 'Repair the greeting'; tick 0 'The failed checks pass'; iteration_done 1; complete";
const COMMITS_SOMETHING_ELSE: &str = "iteration 1; commit other.txt \"$(wc -l < \"$control/repairs\")\" 'Try'; \
    tick 0 'The failed checks pass'; iteration_done 1; complete";

async fn world(repair: &str) -> anyhow::Result<World> {
    Ok(World::new(FILES, &script(repair))
        .await?
        .with("REPAIR_ITERATIONS", "2"))
}

fn repairs(world: &World) -> usize {
    world
        .script_output("repairs")
        .map_or(0, |runs| runs.lines().count())
}

/// The results of the checks as they were reported.
fn reported_results(world: &World) -> Vec<bool> {
    let events = world.orchestrator.worker_events().into_iter();
    let result = |event| match event {
        WorkerEventBody::Tests { report } => Some(report.passed),
        WorkerEventBody::Stage { .. }
        | WorkerEventBody::Ralph { .. }
        | WorkerEventBody::Pushed { .. }
        | WorkerEventBody::TestsRunning { .. }
        | WorkerEventBody::PullRequest { .. }
        | WorkerEventBody::Notice { .. } => None,
    };
    events.filter_map(result).collect()
}

fn reported_iterations(world: &World) -> Vec<u64> {
    let events = world.orchestrator.worker_events().into_iter();
    let number = |event| match event {
        WorkerEventBody::Ralph { event } if event.name() == "iteration" => {
            event.fields().get("n").and_then(serde_json::Value::as_u64)
        }
        WorkerEventBody::Stage { .. }
        | WorkerEventBody::Ralph { .. }
        | WorkerEventBody::Pushed { .. }
        | WorkerEventBody::TestsRunning { .. }
        | WorkerEventBody::Tests { .. }
        | WorkerEventBody::PullRequest { .. }
        | WorkerEventBody::Notice { .. } => None,
    };
    events.filter_map(number).collect()
}

#[tokio::test]
async fn a_red_first_commit_is_repaired_and_delivered() -> anyhow::Result<()> {
    let world = world(FIXES).await?;

    world.run_expecting(0).await?;

    let note = world.script_output("repair-at-start")?;
    for part in [
        "- [ ] The failed checks pass",
        "the check `make` failed: `make test`; exit code 2; it passes on the base",
        "> greeted badly",
    ] {
        assert!(note.contains(part), "{part} is missing:\n{note}");
    }
    let complete = world.completion()?;
    assert_eq!(complete.iterations, 3);
    assert!(SpecDocument::parse(complete.spec.as_str()).is_complete());
    assert!(complete.spec.starts_with("# Say hello"), "{}", complete.spec);
    assert!(complete.tests.unwrap().passed);
    assert_eq!(complete.head_sha, commit(&world.branch_head().unwrap())?);
    assert_eq!(reported_results(&world), [false, true]);
    assert_eq!(reported_iterations(&world), [1, 2, 3]);
    let (spec, _) = world.orchestrator.checkpoint().unwrap();
    assert!(spec.starts_with("# Say hello") && !spec.contains("[ ]"), "{spec}");
    assert_eq!(world.github.pulls(REPO).len(), 1);
    assert_eq!(world.github.read_file(REPO, BRANCH, ".whim-run/repair.md"), None);
    Ok(())
}

#[tokio::test]
async fn repairs_that_do_not_help_end_with_their_allowance() -> anyhow::Result<()> {
    let world = world(COMMITS_SOMETHING_ELSE).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure.reason.contains(
            "the agent could not repair the checks in 2 iterations\n\nthe check `make` failed: `make test`; exit code 2"
        ),
        "{}",
        failure.reason
    );
    assert_eq!((repairs(&world), failure.iterations), (2, 4));
    assert_eq!(reported_results(&world), [false, false, false]);
    let pulls = world.github.pulls(REPO);
    assert!(pulls.len() == 1 && pulls[0].draft, "{pulls:?}");
    Ok(())
}

#[tokio::test]
async fn a_commit_that_failed_is_not_checked_again_after_a_repair_without_commits() -> anyhow::Result<()> {
    let repair = "iteration 1; tick 0 'The failed checks pass'; iteration_done 1; complete";
    let world = world(repair).await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.cause, FailureCause::TestsFailed);
    assert_eq!(repairs(&world), 1);
    assert_eq!(reported_results(&world), [false]);
    Ok(())
}

#[tokio::test]
async fn an_agent_that_cannot_repair_says_why() -> anyhow::Result<()> {
    let repair = "iteration 1; echo 'The test needs a database' > \"$(dirname \"$spec\")/stuck.md\"; iteration_done 1; exit 1";
    let world = world(repair).await?;

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert!(
        failure
            .reason
            .contains("the agent wrote why it cannot continue:\n\nThe test needs a database"),
        "{}",
        failure.reason
    );
    Ok(())
}

#[tokio::test]
async fn repairs_stay_within_the_iterations_of_the_attempt() -> anyhow::Result<()> {
    let world = world(FIXES)
        .await?
        .assigned(|registered| registered.max_iterations = 2);

    world.run_expecting(2).await?;

    let failure = world.failure()?;
    assert_eq!(failure.cause, FailureCause::TestsFailed);
    assert_eq!((repairs(&world), failure.iterations), (0, 2));
    Ok(())
}

#[tokio::test]
async fn without_an_allowance_red_checks_end_the_attempt() -> anyhow::Result<()> {
    let world = world(FIXES).await?.with("REPAIR_ITERATIONS", "0");

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.cause, FailureCause::TestsFailed);
    assert_eq!(repairs(&world), 0);
    Ok(())
}

#[tokio::test]
async fn an_attempt_whose_tasks_are_all_done_checks_first_and_repairs() -> anyhow::Result<()> {
    let world = world(FIXES).await?;
    let head = world
        .github
        .commit_files(REPO, BRANCH, "Add a farewell", &[("farewell.txt", "goodbye")]);
    let world = world.assigned(|registered| {
        registered.work_item.spec = SPEC.replace("- [ ]", "- [x]");
        registered.work_item.head_sha = commit(&head).ok();
    });

    world.run_expecting(0).await?;

    let complete = world.completion()?;
    assert_eq!((repairs(&world), complete.iterations), (1, 1));
    assert_eq!(reported_results(&world), [false, true]);
    Ok(())
}

#[tokio::test]
async fn a_limit_of_the_model_api_during_a_repair_spends_no_retry_and_keeps_the_ticks() -> anyhow::Result<()>
{
    let repair =
        r#"iteration 1; emit '{"event":"warning","type":"provider_limited","message":"429"}'; exit 3"#;
    let world = world(repair).await?;

    world.run_expecting(2).await?;

    assert_eq!(world.failure()?.cause, FailureCause::ModelLimited);
    let (spec, _) = world.orchestrator.checkpoint().unwrap();
    assert!(spec.starts_with("# Say hello") && !spec.contains("[ ]"), "{spec}");
    Ok(())
}
