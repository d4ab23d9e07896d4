//! Heartbeats of many workers at once.

use futures::future::join_all;
use serde_json::{Value, json};
use whim_orchestrator::lifecycle;
use whim_service::supervisor::{Phase, Supervisor};
use whim_testkit::wait::wait_until;

use crate::app::PATIENCE;
use crate::world::{Answer, HEAD, SPEC_HALF_DONE, TestWorker, World};

/// A world that batches heartbeats, and workers whose tokens are cached.
async fn busy_world(workers: usize) -> (World, Supervisor, Vec<TestWorker>) {
    let world = World::new().await;
    let supervisor = Supervisor::new();
    let work = supervisor.phase(Phase::Work);
    work.critical(
        "heartbeats",
        lifecycle::write_heartbeats(world.app.clone(), work.token()),
    );
    let mut running = Vec::new();
    for _ in 0..workers {
        let worker = world.running().await;
        world
            .call(&worker, "heartbeat", &json!({ "seq": 0 }))
            .await
            .expect(200);
        running.push(worker);
    }
    (world, supervisor, running)
}

fn event(message: &str) -> Value {
    json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": message })
}

#[tokio::test]
async fn heartbeats_that_arrive_during_a_write_are_written_in_one_transaction() {
    const WORKERS: usize = 20;
    let (world, _supervisor, workers) = busy_world(WORKERS).await;
    let heartbeat = json!({ "seq": 1, "iteration": 2, "stage": "working", "events": [event("hello")] });
    let heartbeats = join_all(
        workers
            .iter()
            .map(|worker| world.call(worker, "heartbeat", &heartbeat)),
    );
    let lock = "lock table worker_heartbeats in exclusive mode";
    let responses = world.while_locked(lock, heartbeats).await;

    assert!(
        responses.iter().all(|answer| answer.status == 200),
        "{responses:?}"
    );
    let transactions = world
        .number("select count(distinct xmin::text) from worker_heartbeats")
        .await;
    assert!(
        transactions <= 3,
        "{transactions} transactions for {WORKERS} heartbeats"
    );
    let kept = world
        .number("select count(*) from events where body ->> 'message' = 'hello'")
        .await;
    assert_eq!(usize::try_from(kept).unwrap(), WORKERS);
    let counted = world.number("select count(*) from worker_iterations").await;
    assert_eq!(usize::try_from(counted).unwrap(), 2 * WORKERS);
}

#[tokio::test]
async fn each_heartbeat_of_a_batch_gets_its_own_response() {
    let (world, _supervisor, workers) = busy_world(4).await;
    let [lost, repeated, ticking, plain] = workers.as_slice() else {
        panic!("four workers");
    };
    let cancel = format!("/api/work/{}/cancel", lost.item);
    world.post(&cancel, &json!({})).await.expect(200);
    let first = json!({ "seq": 7, "iteration": 3, "events": [event("once")] });
    world.call(repeated, "heartbeat", &first).await.expect(200);

    let with_checklist =
        json!({ "seq": 1, "spec": SPEC_HALF_DONE, "headSha": HEAD, "events": [event("ticked")] });
    let heartbeats = [
        (lost, json!({ "seq": 1, "events": [event("late")] })),
        (repeated, first),
        (ticking, with_checklist),
        (plain, json!({ "seq": 1, "events": [event("plain")] })),
    ];
    let calls = heartbeats
        .iter()
        .map(|(worker, heartbeat)| world.call(worker, "heartbeat", heartbeat));
    let responses: Vec<Answer> = join_all(calls).await;

    let statuses: Vec<u16> = responses.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [409, 200, 200, 200]);
    assert_eq!(responses[0].body["code"], "lease_lost");
    let messages: Vec<String> =
        sqlx::query_scalar("select body ->> 'message' from events where kind = 'worker_event' order by 1")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(messages, ["once", "plain", "ticked"]);
    assert_eq!(world.item(ticking.item).await["tasksDone"], 1);
}

#[tokio::test]
async fn each_heartbeat_of_a_batch_gets_the_count_of_notes_of_its_own_run() {
    let (world, _supervisor, workers) = busy_world(2).await;
    world.add_note(workers[1].item, "a note").await;
    let heartbeat = json!({ "seq": 1 });
    let calls = join_all(
        workers
            .iter()
            .map(|worker| world.call(worker, "heartbeat", &heartbeat)),
    );
    let lock = "lock table worker_heartbeats in exclusive mode";

    let responses = world.while_locked(lock, calls).await;

    let counts: Vec<Value> = responses
        .into_iter()
        .map(|answer| answer.expect(200)["noteCount"].clone())
        .collect();
    assert_eq!(counts, [0, 1]);
}

#[tokio::test]
async fn a_locked_worker_row_delays_no_other_heartbeat() {
    let (world, _supervisor, workers) = busy_world(2).await;
    let [held, free] = workers.as_slice() else {
        panic!("two workers");
    };
    let mut others = world.pool.begin().await.unwrap();
    sqlx::query("select from worker_heartbeats where worker_id = $1 for update")
        .bind(held.id)
        .execute(&mut *others)
        .await
        .unwrap();

    let heartbeat = json!({ "seq": 1, "events": [event("hello")] });
    let waiting = world.call(held, "heartbeat", &heartbeat);
    let meanwhile = async {
        world.until_a_call_waits().await;
        world.call(free, "heartbeat", &heartbeat).await.expect(200);
        others.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, meanwhile);

    answer.expect(200);
    assert_eq!(
        world
            .number("select count(*) from events where kind = 'worker_event'")
            .await,
        2
    );
}

#[tokio::test]
async fn concurrent_heartbeats_of_one_worker_are_stored_once() {
    let (world, _supervisor, workers) = busy_world(1).await;
    let worker = &workers[0];
    let heartbeat = json!({ "seq": 1, "iteration": 1, "events": [event("hello"), event("again")] });

    let responses = join_all((0..12).map(|_| world.call(worker, "heartbeat", &heartbeat))).await;

    assert!(
        responses.iter().all(|answer| answer.status == 200),
        "{responses:?}"
    );
    assert_eq!(
        world
            .number("select count(*) from events where kind = 'worker_event'")
            .await,
        2
    );
    assert_eq!(world.number("select count(*) from worker_iterations").await, 1);
}

#[tokio::test]
async fn heartbeats_are_heap_only_updates() {
    const ROUNDS: u64 = 60;
    let (world, _supervisor, workers) = busy_world(10).await;
    let stats = json!({ "tools": 3, "reads": 1, "writes": 1, "commands": 1, "costUsd": 0.25,
        "tokens": { "input": 10, "output": 5, "cacheRead": 2, "cacheWrite": 1 } });
    for round in 1..=ROUNDS {
        let heartbeat = json!({ "seq": round, "iteration": 1, "stage": "working", "stats": stats });
        let responses = join_all(
            workers
                .iter()
                .map(|worker| world.call(worker, "heartbeat", &heartbeat)),
        )
        .await;
        assert!(
            responses.iter().all(|answer| answer.status == 200),
            "{responses:?}"
        );
    }

    // The statistics are updated a moment after the transaction.
    wait_until("the statistics", PATIENCE, async || {
        let (updates, heap_only): (i64, i64) = sqlx::query_as(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'worker_heartbeats'",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        let all = i64::try_from(ROUNDS * 10).unwrap();
        // Some may not be heap-only while an older snapshot, such as that of an autovacuum, keeps their page full.
        // With an index on a changed column none would be.
        if updates >= all && heap_only * 100 >= updates * 70 {
            Ok(())
        } else {
            Err(format!("{heap_only} of {updates} updates were heap-only"))
        }
    })
    .await
    .unwrap();
}
