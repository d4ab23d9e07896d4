//! Late callers change nothing: workers whose item was taken away, and the losers of races.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use tokio::sync::Barrier;
use whim_core::{FailureCause, LeaseEpoch, WorkItemId, WorkerId};
use whim_orchestrator::lifecycle::{AttemptEnd, EndedBy, Transition, end_attempt};

use crate::world::{HEAD, SPEC_DONE, TestWorker, World, complete, fail};

fn end(cause: FailureCause, by: EndedBy) -> AttemptEnd {
    AttemptEnd {
        cause,
        reason: "It exited.".to_owned(),
        retry_after: None,
        by,
    }
}

/// Every row that a worker could change.
async fn all_rows(world: &World) -> Value {
    let rows: Value = sqlx::query_scalar(
        "select jsonb_build_object(
            'items', (select jsonb_agg(to_jsonb(t) order by id) from work_items t),
            'texts', (select jsonb_agg(to_jsonb(t) order by work_item_id) from work_item_texts t),
            'workers', (select jsonb_agg(to_jsonb(t) order by id) from workers t),
            'heartbeats', (select jsonb_agg(to_jsonb(t) order by worker_id) from worker_heartbeats t),
            'iterations', (select count(*) from worker_iterations),
            'events', (select count(*) from events where kind = 'worker_event'))",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    rows
}

async fn expect_fenced(world: &World, zombie: &TestWorker) {
    let before = all_rows(world).await;
    let event = json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": "hello" });
    for (route, body) in [
        (
            "heartbeat",
            json!({ "seq": 99, "iteration": 9, "events": [event], "spec": SPEC_DONE, "headSha": HEAD }),
        ),
        ("heartbeat", json!({ "seq": 100 })),
        ("lock", json!({ "files": ["src/main.rs"] })),
        ("unlock", json!({ "files": ["src/main.rs"] })),
        ("review", crate::api::reviews::review(1)),
        ("complete", complete()),
        ("fail", fail("crash")),
        ("stuck", json!({ "reason": "x" })),
    ] {
        assert_eq!(
            world.call(zombie, route, &body).await.expect_error(409),
            "lease_lost",
            "{route}"
        );
    }
    assert_eq!(
        world.register(zombie, "nonce").await.expect_error(409),
        "lease_lost"
    );
    assert_eq!(all_rows(world).await, before);
}

// docs/faults.md, row 17.
#[tokio::test]
async fn a_worker_that_comes_back_after_its_item_was_given_to_another_changes_nothing() {
    let world = World::new().await;
    let zombie = world.running().await;
    let lost = end(FailureCause::Lost, EndedBy::Reconciler);
    let ended = end_attempt(&world.app, zombie.id, &lost).await.unwrap();
    assert!(matches!(ended, Transition::Done(_)), "{ended:?}");
    expect_fenced(&world, &zombie).await;
    world.release_due_retries().await;
    let next = world.start_worker().await;
    assert_eq!((next.item, next.epoch.number()), (zombie.item, 2));

    expect_fenced(&world, &zombie).await;

    let files = json!({ "files": ["src/main.rs"] });
    world.call(&next, "lock", &files).await.expect(200);
    world.call(&next, "complete", &complete()).await.expect(200);
    expect_fenced(&world, &zombie).await;
}

// docs/faults.md, row 20.
#[tokio::test]
async fn a_worker_whose_item_was_cancelled_changes_nothing() {
    let world = World::new().await;
    let worker = world.running().await;
    world
        .post(&format!("/api/work/{}/cancel", worker.item), &json!({}))
        .await
        .expect(200);

    expect_fenced(&world, &worker).await;

    let refused = world.call(&worker, "complete", &complete()).await.expect(409);
    assert_eq!(
        refused["details"]["status"], "cancelled",
        "the worker receives the final state"
    );
}

#[tokio::test]
async fn a_worker_that_was_killed_before_it_registered_cannot_register() {
    let world = World::new().await;
    world.submit().await;
    let worker = world.claim().await.expect("an item");
    world
        .post(&format!("/api/workers/{}/kill", worker.id), &json!({}))
        .await
        .expect(200);

    assert_eq!(world.register(&worker, "n").await.expect_error(409), "lease_lost");
}

#[tokio::test]
async fn a_branch_that_a_fenced_worker_moved_costs_its_successor_no_retry() {
    let world = World::new().await;
    let zombie = world.running().await;
    let lost = end(FailureCause::Lost, EndedBy::Reconciler);
    end_attempt(&world.app, zombie.id, &lost).await.unwrap();
    world.release_due_retries().await;

    // The fenced worker pushed once more before it noticed.
    let next = world.start_worker().await;
    let ended = world.call(&next, "fail", &fail("branch_moved")).await.expect(200);

    assert_eq!(ended["status"], "queued");
    let item = world.item(next.item).await;
    assert_eq!(
        (&item["retries"], &item["failureCause"]),
        (&json!(1), &json!("branch_moved")),
        "only the lost lease"
    );
    let wait = "select ceil(extract(epoch from next_retry_at - now()))::bigint from work_items";
    assert!(world.number(wait).await <= 0, "there is no backoff");

    // That worker sent a final report, so it cannot have moved the branch again.
    world.release_due_retries().await;
    let third = world.start_worker().await;
    world
        .call(&third, "fail", &fail("branch_moved"))
        .await
        .expect(200);
    assert_eq!(world.item(next.item).await["retries"], 2);
}

#[tokio::test]
async fn a_branch_that_was_moved_by_the_worker_of_a_cancelled_run_costs_no_retry_either() {
    let world = World::new().await;
    let cancelled = world.running().await;
    let path = format!("/api/work/{}", cancelled.item);
    world
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .expect(200);
    world
        .post(&format!("{path}/requeue"), &json!({}))
        .await
        .expect(200);
    let next = world.start_worker().await;

    world.call(&next, "fail", &fail("branch_moved")).await.expect(200);

    assert_eq!(world.item(next.item).await["retries"], 0);
}

#[tokio::test]
async fn a_branch_that_someone_else_moved_costs_a_retry() {
    let world = World::new().await;
    let worker = world.running().await;

    world
        .call(&worker, "fail", &fail("branch_moved"))
        .await
        .expect(200);

    assert_eq!(world.item(worker.item).await["retries"], 1);
}

#[tokio::test]
async fn a_killed_worker_is_stopped_and_its_item_is_tried_again() {
    let world = World::new().await;
    let worker = world.running().await;
    let path = format!("/api/workers/{}/kill", worker.id);

    let killed = world.post(&path, &json!({})).await.expect(200);

    assert_eq!(
        (&killed["status"], &killed["error"]),
        (&json!("killed"), &json!("The worker was killed by a person."))
    );
    let item = world.item(worker.item).await;
    assert_eq!((&item["status"], &item["retries"]), (&json!("queued"), &json!(1)));
    assert_eq!(
        (&killed["failureCause"], &item["failureCause"]),
        (&json!("killed"), &json!("killed"))
    );
    assert_ne!(item["nextRetryAt"], Value::Null);
    assert_eq!(
        world
            .number("select count(*) from workers where stop_requested and stopped_at is null")
            .await,
        1
    );
    assert_eq!(world.post(&path, &json!({})).await.expect(200), killed);

    world.release_due_retries().await;
    let next = world.start_worker().await;
    world.call(&next, "complete", &complete()).await.expect(200);
    let refused = world
        .post(&format!("/api/workers/{}/kill", next.id), &json!({}))
        .await
        .expect(409);
    assert_eq!(
        (&refused["code"], &refused["details"]["status"]),
        (&json!("wrong_state"), &json!("completed"))
    );
    let unknown = WorkerId::new();
    assert_eq!(
        world
            .post(&format!("/api/workers/{unknown}/kill"), &json!({}))
            .await
            .expect_error(404),
        "not_found"
    );
}

#[tokio::test]
async fn concurrent_ends_of_an_attempt_count_once() {
    let world = World::new().await;
    let worker = world.running().await;
    let crash = end(FailureCause::Crash, EndedBy::Exit);

    let (one, two) = tokio::join!(
        end_attempt(&world.app, worker.id, &crash),
        end_attempt(&world.app, worker.id, &crash)
    );

    let done = [one.unwrap(), two.unwrap()]
        .iter()
        .filter(|end| matches!(end, Transition::Done(_)))
        .count();
    assert_eq!(done, 1);
    assert_eq!(world.item(worker.item).await["retries"], 1);
    assert_eq!(
        world
            .number("select count(*) from workers where stopped_at is not null")
            .await,
        1
    );
    let unknown = end_attempt(&world.app, WorkerId::new(), &crash).await.unwrap();
    assert_eq!(unknown, Transition::Gone);
}

#[tokio::test]
async fn five_failed_starts_in_a_row_spend_no_retry() {
    let world = World::new().await;
    let item = world.submit().await;
    let mut retries = Vec::new();
    for _ in 0..7 {
        let worker = world.claim().await.expect("the item");
        end_attempt(&world.app, worker.id, &end(FailureCause::Crash, EndedBy::Exit))
            .await
            .unwrap();
        retries.push(world.item(item).await["retries"].as_u64().unwrap());
        world.release_due_retries().await;
    }
    assert_eq!(retries, [0, 0, 0, 0, 0, 1, 2]);

    let worker = world.start_worker().await;
    end_attempt(&world.app, worker.id, &end(FailureCause::Crash, EndedBy::Exit))
        .await
        .unwrap();
    world.release_due_retries().await;
    let worker = world.claim().await.expect("the item");
    end_attempt(&world.app, worker.id, &end(FailureCause::Crash, EndedBy::Exit))
        .await
        .unwrap();
    assert_eq!(
        world.item(item).await["retries"],
        3,
        "a registration resets the count"
    );
}

/// The operation that races with `complete`.
#[derive(Clone, Copy, Debug)]
enum Rival {
    Cancel,
    Kill,
    Exit,
}

impl Rival {
    const ALL: [Self; 3] = [Self::Cancel, Self::Kill, Self::Exit];

    async fn strike(self, world: &World, worker: &TestWorker) -> bool {
        let path = match self {
            Self::Cancel => format!("/api/work/{}/cancel", worker.item),
            Self::Kill => format!("/api/workers/{}/kill", worker.id),
            Self::Exit => {
                let crash = end(FailureCause::Crash, EndedBy::Exit);
                return matches!(
                    end_attempt(&world.app, worker.id, &crash).await,
                    Ok(Transition::Done(_))
                );
            }
        };
        let answer = world.post(&path, &json!({})).await;
        assert!(matches!(answer.status, 200 | 409), "{answer:?}");
        answer.status == 200
    }

    /// The states of the item and the worker if it won.
    fn outcome(self) -> (&'static str, &'static str) {
        match self {
            Self::Cancel => ("cancelled", "killed"),
            Self::Kill => ("queued", "killed"),
            Self::Exit => ("queued", "failed"),
        }
    }
}

// docs/faults.md, rows 19 and 20.
#[tokio::test]
async fn of_complete_and_any_other_end_exactly_one_wins_in_a_thousand_races() {
    const RACES: i64 = 1000;
    const AT_ONCE: usize = 40;
    let world = World::new().await;
    let workers = running_workers(&world, RACES).await;
    let mut completed = 0;

    for (round, batch) in workers.chunks(AT_ONCE).enumerate() {
        let races = batch.iter().enumerate().map(async |(index, worker)| {
            let rival = Rival::ALL[(round + index) % Rival::ALL.len()];
            let barrier = Barrier::new(2);
            let complete = async {
                barrier.wait().await;
                let answer = world.call(worker, "complete", &complete()).await;
                assert!(matches!(answer.status, 200 | 409), "{answer:?}");
                answer.status == 200
            };
            let strike = async {
                barrier.wait().await;
                rival.strike(&world, worker).await
            };
            let (completed, struck) = tokio::join!(complete, strike);
            assert!(completed != struck, "complete: {completed}, {rival:?}: {struck}");
            let expected = if completed {
                ("completed", "completed")
            } else {
                rival.outcome()
            };
            (worker, expected, completed)
        });
        for (worker, expected, won) in futures::future::join_all(races).await {
            let (item, state, has_pull_request): (String, String, bool) = sqlx::query_as(
                "select i.status::text, w.status::text, i.pr_url is not null
                 from workers w join work_items i on i.id = w.work_item_id where w.id = $1",
            )
            .bind(worker.id)
            .fetch_one(&world.pool)
            .await
            .unwrap();
            assert_eq!((item.as_str(), state.as_str()), expected);
            assert_eq!(has_pull_request, won);
            completed += i64::from(won);
        }
    }

    println!("complete won {completed} of {RACES} races");
    let ended = "select count(*) from workers where ended_at is not null";
    assert_eq!(world.number(ended).await, RACES);
}

#[tokio::test]
async fn a_heartbeat_and_the_end_of_its_worker_do_not_wait_for_each_other() {
    let world = World::new().await;
    let event = json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": "hello" });
    let heartbeat = json!({ "seq": 1, "iteration": 1, "events": [event] });
    let done = complete();

    for batch in running_workers(&world, 200).await.chunks(20) {
        let races = batch.iter().map(async |worker| {
            tokio::join!(
                world.call(worker, "heartbeat", &heartbeat),
                world.call(worker, "complete", &done)
            )
        });
        for (heartbeat, complete) in futures::future::join_all(races).await {
            assert!(matches!(heartbeat.status, 200 | 409), "{heartbeat:?}");
            assert_eq!(complete.status, 200, "{complete:?}");
        }
    }
}

/// Inserts the rows of many running workers, as submitting, claiming and registering would.
async fn running_workers(world: &World, count: i64) -> Vec<TestWorker> {
    sqlx::raw_sql(
        "create unlogged table races as
             select n, gen_random_uuid() as item, gen_random_uuid() as worker from generate_series(1, 1000) as n;
         insert into work_items (id, repo, branch, status, priority, source, lease_epoch, worker_id)
             select item, 'octocat/hello', 'whim/' || n, 'in_progress', 'medium', 'api', 1, worker from races;
         insert into work_item_texts (work_item_id, spec) select item, '- [ ] x' from races;
         insert into workers (id, work_item_id, lease_epoch, status, token_hash, nonce, max_iterations, runtime, instance, registered_at)
             select worker, item, 1, 'running', sha256(convert_to(worker::text, 'UTF8')), 'n', 10, 'none', 'test', now() from races;
         insert into worker_heartbeats (worker_id, lease_expires_at) select worker, now() + interval '1 hour' from races;",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let rows: Vec<(WorkItemId, WorkerId)> =
        sqlx::query_as("select item, worker from races order by n limit $1")
            .bind(count)
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let epoch = LeaseEpoch::from_number(1);
    rows.into_iter()
        .map(|(item, id)| TestWorker {
            id,
            item,
            epoch,
            token: id.to_string(),
        })
        .collect()
}
