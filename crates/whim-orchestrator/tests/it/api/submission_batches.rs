//! Submissions of many clients at once.

use futures::future::join_all;
use serde_json::{Value, json};
use whim_orchestrator::work;
use whim_service::supervisor::{Phase, Supervisor};

use crate::app::PATIENCE;
use crate::world::{Answer, SPEC, World, id_of};

/// A world that inserts submissions in batches.
async fn world_with_batches() -> (World, Supervisor) {
    let world = World::new().await;
    let supervisor = Supervisor::new();
    let phase = supervisor.phase(Phase::Work);
    phase.critical(
        "submissions",
        work::write_submissions(world.app.clone(), phase.token()),
    );
    (world, supervisor)
}

/// Submits all of them at the same moment.
async fn submit_together(world: &World, bodies: &[Value]) -> Vec<Answer> {
    let submissions = join_all(bodies.iter().map(|body| world.post("/api/work", body)));
    let lock = "lock table work_items in exclusive mode";
    world.while_locked(lock, submissions).await
}

#[tokio::test]
async fn submissions_that_arrive_during_an_insert_are_inserted_in_one_transaction() {
    let (world, _supervisor) = world_with_batches().await;
    let bodies = vec![json!({ "repo": "octocat/hello", "spec": SPEC }); 20];

    for answer in submit_together(&world, &bodies).await {
        let item = answer.expect(201);
        let stored = world
            .get(&format!("/api/work/{}", id_of(&item)))
            .await
            .expect(200);
        assert_eq!(item, stored);
    }

    let transactions = world
        .number("select count(distinct xmin::text) from work_items")
        .await;
    assert!(transactions <= 2, "{transactions} transactions");
    assert_eq!(world.number("select count(*) from work_item_texts").await, 20);
}

#[tokio::test]
async fn each_submission_of_a_batch_gets_the_response_that_it_would_get_alone() {
    let (world, _supervisor) = world_with_batches().await;
    let known = json!({ "repo": "octocat/hello", "spec": SPEC, "source": "github", "sourceRef": "1" });
    let known_id = id_of(&world.post("/api/work", &known).await.expect(201));
    let taken = json!({ "repo": "octocat/hello", "spec": SPEC, "branch": "ai/taken" });
    world.post("/api/work", &taken).await.expect(201);
    let twice =
        json!({ "repo": "octocat/hello", "description": "Say hello.", "source": "github", "sourceRef": "2" });
    let branch = json!({ "repo": "octocat/hello", "spec": SPEC, "branch": "ai/new" });
    let large = json!({ "repo": "octocat/hello", "spec": format!("{SPEC}\n{}", "More. ".repeat(20_000)) });

    let bodies = [&known, &taken, &twice, &branch, &large, &twice, &branch, &known].map(Clone::clone);
    let answers = submit_together(&world, &bodies).await;

    let statuses = |places: &[usize]| {
        let mut statuses: Vec<u16> = places.iter().map(|place| answers[*place].status).collect();
        statuses.sort_unstable();
        statuses
    };
    assert_eq!(statuses(&[0, 7]), [200, 200]);
    assert_eq!(
        (id_of(&answers[0].body), id_of(&answers[7].body)),
        (known_id, known_id)
    );
    assert_eq!(statuses(&[1]), [409]);
    assert_eq!(statuses(&[2, 5]), [200, 201]);
    assert_eq!(id_of(&answers[2].body), id_of(&answers[5].body));
    assert_eq!(statuses(&[3, 6]), [201, 409]);
    assert_eq!(statuses(&[4]), [201]);
    assert_eq!(world.number("select count(*) from work_items").await, 5);
}

#[tokio::test]
async fn a_submission_that_postgres_refuses_does_not_fail_the_others() {
    let (world, _supervisor) = world_with_batches().await;
    sqlx::query("alter table work_items add constraint no_such_repository check (repo <> 'octocat/refused')")
        .execute(&world.pool)
        .await
        .unwrap();
    let of = |repo: &str| json!({ "repo": repo, "spec": SPEC });
    let bodies = [
        of("octocat/a"),
        of("octocat/b"),
        of("octocat/refused"),
        of("octocat/c"),
    ];

    let answers = submit_together(&world, &bodies).await;

    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [201, 201, 500, 201]);
    assert_eq!(world.number("select count(*) from work_items").await, 3);
}

#[tokio::test]
async fn the_dispatchers_are_notified_of_a_batch() {
    let (world, _supervisor) = world_with_batches().await;
    let notified = world.app.wakers.dispatch.notified();

    world.submit().await;

    tokio::time::timeout(PATIENCE, notified).await.unwrap();
    assert!(world.claim().await.is_some());
}
