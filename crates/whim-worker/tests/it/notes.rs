//! Notes of the people who requested the work, from the orchestrator to the agent.

use std::time::Duration;

use axum::http::Method;
use ralph_contract::SpecDocument;
use whim_core::WorkItemId;
use whim_testkit::orchestrator::Fault;
use whim_testkit::wait::wait_until;

use crate::world::{BRANCH, FILES, HAPPY, REPO, World};

const TIMEOUT: Duration = Duration::from_secs(60);

/// Does the first task, and the second when the test says so.
const IN_TWO_STEPS: &str = "begin; greet; signal greeted; await noted; part; complete";

/// Does both tasks, ends when the test says so, and follows late notes.
const WITH_A_LATE_NOTE: &str = r#"case $spec in
*repair.md)
    cat "$spec" > "$control/repair-at-start"
    begin; iteration 1; commit tabs.txt tabs 'Use tabs'
    tick 0 'The work follows the notes of the people who requested it'; iteration_done 1; complete
    ;;
esac
begin; greet; part; signal finished; await noted; complete"#;

fn item(world: &World) -> WorkItemId {
    world.orchestrator.assignment().work_item.id
}

/// Waits until the agent would read this.
async fn until_written(world: &World, text: &str) -> anyhow::Result<()> {
    let file = world
        .attempt_directory()
        .join("workspace/repository/.whim-run/notes.md");
    wait_until(
        "the note in the file",
        TIMEOUT,
        async || match std::fs::read_to_string(&file) {
            Ok(content) if content.contains(text) => Ok(()),
            other => Err(format!("{other:?}")),
        },
    )
    .await
}

fn body(world: &World) -> String {
    let pulls = world.github.pulls(REPO);
    pulls[0].body.clone().unwrap_or_default()
}

#[tokio::test]
async fn a_note_that_arrives_while_the_agent_works_is_there_for_the_next_iteration() -> anyhow::Result<()> {
    let world = World::new(FILES, IN_TWO_STEPS).await?;
    let worker = world.start()?;
    world.signalled("greeted").await?;

    world.orchestrator.add_note(item(&world), "Use tabs.");

    until_written(&world, "Use tabs.").await?;
    // Not before an iteration has it.
    assert_eq!(world.orchestrator.notes(item(&world))[0].delivered_at, None);
    world.signal("noted")?;
    assert_eq!(worker.ended().await?.code, Some(0));
    assert!(world.script_output("notes")?.ends_with("\n\n  Use tabs.\n\n"));
    assert_eq!(world.orchestrator.notes(item(&world))[0].attempt, Some(1));
    assert_eq!(world.completion()?.iterations, 2);
    assert!(
        !body(&world).contains("No agent has acted on"),
        "{}",
        body(&world)
    );
    assert_eq!(world.github.read_file(REPO, BRANCH, ".whim-run/notes.md"), None);
    Ok(())
}

#[tokio::test]
async fn the_first_iteration_has_the_notes_of_the_assignment() -> anyhow::Result<()> {
    let world = World::new(FILES, HAPPY).await?;
    for text in ["Use tabs.", "And no semicolons."] {
        world.orchestrator.add_note(item(&world), text);
    }

    world.run_expecting(0).await?;

    let notes = world.script_output("notes")?;
    let (first, second) = (notes.find("Use tabs."), notes.find("And no semicolons."));
    assert!(first < second && first.is_some(), "{notes}");
    let delivered = world.orchestrator.notes(item(&world));
    assert!(
        delivered.iter().all(|note| note.attempt == Some(1)),
        "{delivered:?}"
    );
    let fetches = world
        .orchestrator
        .count_requests(&Method::GET, "/api/worker/{id}/notes");
    assert_eq!(
        fetches, 2,
        "before the checks and before the pull request, and not with every heartbeat"
    );
    Ok(())
}

#[tokio::test]
async fn notes_that_cannot_be_fetched_or_written_are_neither_lost_nor_the_end() -> anyhow::Result<()> {
    let script = "begin; greet; mkdir \"$state/notes.md\"; signal greeted; await fetched; rmdir \"$state/notes.md\"; \
                  signal ready; await noted; part; complete";
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.signalled("greeted").await?;
    let notes_route = "/api/worker/{id}/notes";
    let unavailable = Fault::on(Method::GET, notes_route).unavailable().times(2);
    world.orchestrator.faults().push(unavailable);
    world.orchestrator.add_note(item(&world), "Use tabs.");
    let fetches = |world: &World| world.orchestrator.count_requests(&Method::GET, notes_route);
    wait_until("fetches that find a directory", TIMEOUT, async || {
        match fetches(&world) {
            0..4 => Err("too few"),
            _ => Ok(()),
        }
    })
    .await?;

    world.signal("fetched")?;
    world.signalled("ready").await?;
    world.orchestrator.add_note(item(&world), "And no semicolons.");
    until_written(&world, "And no semicolons.").await?;
    world.signal("noted")?;

    assert_eq!(worker.ended().await?.code, Some(0));
    let notes = world.script_output("notes")?;
    assert!(
        notes.contains("Use tabs.") && notes.contains("And no semicolons."),
        "{notes}"
    );
    Ok(())
}

#[tokio::test]
async fn a_note_after_the_last_iteration_gets_one_more() -> anyhow::Result<()> {
    let world = World::new(FILES, WITH_A_LATE_NOTE).await?;
    let worker = world.start()?;
    world.signalled("finished").await?;
    world.orchestrator.add_note(item(&world), "Use tabs.");
    world.signal("noted")?;

    assert_eq!(worker.ended().await?.code, Some(0));

    let checklist = world.script_output("repair-at-start")?;
    assert!(
        checklist.starts_with("# Follow the latest notes\n"),
        "{checklist}"
    );
    assert!(world.script_output("notes")?.contains("Use tabs."));
    assert_eq!(
        world.github.read_file(REPO, BRANCH, "tabs.txt").as_deref(),
        Some("tabs\n")
    );
    let complete = world.completion()?;
    assert_eq!(complete.iterations, 3);
    assert!(SpecDocument::parse(complete.spec.as_str()).is_complete());
    assert!(complete.spec.starts_with("# Say hello"), "{}", complete.spec);
    assert_eq!(world.orchestrator.notes(item(&world))[0].attempt, Some(1));
    assert!(
        !body(&world).contains("No agent has acted on"),
        "{}",
        body(&world)
    );
    Ok(())
}

#[tokio::test]
async fn a_note_for_which_no_iteration_is_left_is_named_in_the_pull_request() -> anyhow::Result<()> {
    let world = World::new(FILES, WITH_A_LATE_NOTE)
        .await?
        .assigned(|registered| registered.max_iterations = 2);
    let worker = world.start()?;
    world.signalled("finished").await?;
    world.orchestrator.add_note(item(&world), "Use tabs @everyone.");
    world.signal("noted")?;

    assert_eq!(worker.ended().await?.code, Some(0));

    let body = body(&world);
    assert!(body.contains("> No agent has acted on these notes"), "{body}");
    assert!(
        body.contains("> - A person: Use tabs @\u{200b}everyone."),
        "{body}"
    );
    assert_eq!(world.orchestrator.notes(item(&world))[0].delivered_at, None);
    assert_eq!(world.completion()?.iterations, 2);
    Ok(())
}

#[tokio::test]
async fn a_late_note_that_asks_for_nothing_changes_nothing_and_is_not_tried_twice() -> anyhow::Result<()> {
    let script = r#"case $spec in
*repair.md)
    echo run >> "$control/repairs"
    begin; iteration 1; tick 0 'The work follows the notes of the people who requested it'; iteration_done 1; complete
    ;;
esac
begin; greet; part; signal finished; await noted; complete"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.signalled("finished").await?;
    world.orchestrator.add_note(item(&world), "Thank you!");
    world.signal("noted")?;

    assert_eq!(worker.ended().await?.code, Some(0));

    assert_eq!(world.script_output("repairs")?, "run\n");
    assert_eq!(world.orchestrator.notes(item(&world))[0].attempt, Some(1));
    let tests = world
        .orchestrator
        .worker_events()
        .into_iter()
        .filter(|event| matches!(event, whim_core::protocol::events::WorkerEventBody::Tests { .. }));
    assert_eq!(tests.count(), 1);
    Ok(())
}

#[tokio::test]
async fn a_late_note_with_which_the_agent_gives_up_is_named_in_the_pull_request() -> anyhow::Result<()> {
    let script = r#"case $spec in
*repair.md)
    begin; iteration 1
    emit '{"event":"stuck","reason":"there are no tabs","iterations_without_progress":1}'; exit 1
    ;;
esac
begin; greet; part; signal finished; await noted; complete"#;
    let world = World::new(FILES, script).await?;
    let worker = world.start()?;
    world.signalled("finished").await?;
    world.orchestrator.add_note(item(&world), "Use tabs.");
    world.signal("noted")?;

    assert_eq!(worker.ended().await?.code, Some(0));

    let body = body(&world);
    assert!(body.contains("> No agent has acted on these notes"), "{body}");
    assert!(body.contains("> - A person: Use tabs."), "{body}");
    // It was in a prompt.
    assert_eq!(world.orchestrator.notes(item(&world))[0].attempt, Some(1));
    Ok(())
}
