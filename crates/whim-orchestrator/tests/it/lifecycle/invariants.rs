//! The invariant checker detects each kind of violation: otherwise its silence would prove nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use sqlx::AssertSqlSafe;
use whim_testkit::invariants::{Invariants, Limits};

use crate::world::{World, complete};

const LIMITS: Limits = Limits {
    max_workers: 2,
    daily_budget: 1000,
};

async fn watched() -> (World, Invariants) {
    let world = World::new().await;
    let invariants = Invariants::watch(world.database_url(), LIMITS).await.unwrap();
    (world, invariants)
}

#[tokio::test]
async fn an_ordinary_item_violates_no_invariant() {
    let (world, invariants) = watched().await;
    let worker = world.running().await;
    world
        .call(
            &worker,
            "heartbeat",
            &serde_json::json!({ "seq": 1, "iteration": 1 }),
        )
        .await
        .expect(200);
    invariants.check().await.unwrap();
    world.call(&worker, "complete", &complete()).await.expect(200);
    let path = format!("/api/work/{}/requeue", worker.item);
    world.post(&path, &serde_json::json!({})).await.expect(200);
    world.start_worker().await;

    invariants.check().await.unwrap();
}

#[tokio::test]
async fn every_kind_of_violation_is_found() {
    let item_lives = "an item that is in progress";
    let cases = [
        (item_lives, "update work_items set lease_epoch = lease_epoch + 1", "its epoch went from 1 to 2"),
        (item_lives, "update work_items set status = 'queued', lease_epoch = 0", "its epoch went from 1 to 0"),
        (item_lives, "update work_items set worker_id = null", "which is not there"),
        (item_lives, "update work_items set status = 'failed', ended_at = now()", "which is failed"),
        (item_lives, "update workers set status = 'starting'", "from running to starting"),
        (item_lives, "update workers set lease_epoch = 7", "became another one"),
        (item_lives, "delete from workers", "1 workers began and 0 ended, but 0 live"),
        (item_lives, "insert into worker_iterations (worker_id, iteration) select id, 99 from workers", "up to number 99"),
        (
            item_lives,
            "insert into workers (id, work_item_id, lease_epoch, token_hash, max_iterations, runtime, instance)
             select gen_random_uuid(), work_item_id, 2, sha256('other'), 5, 'none', 'test' from workers",
            "has 2 live workers",
        ),
        (
            item_lives,
            "insert into workers (id, work_item_id, lease_epoch, token_hash, max_iterations, runtime, instance)
             select gen_random_uuid(), work_item_id, 2, sha256('other'), 995, 'none', 'test' from workers",
            "1005 iterations of 1000 a day",
        ),
        ("completed", "update work_items set status = 'queued', ended_at = null", "went from completed (run 1"),
        ("completed", "update work_items set pr_url = 'https://github.com/o/r/pull/9'", "what had completed was changed"),
        ("completed", "update workers set status = 'failed'", "had ended as completed and became failed"),
    ];
    for (state, violation, found) in cases {
        let (world, invariants) = watched().await;
        let worker = world.running().await;
        if state == "completed" {
            world.call(&worker, "complete", &complete()).await.expect(200);
        }
        invariants.check().await.unwrap();

        sqlx::raw_sql(AssertSqlSafe(violation))
            .execute(&world.pool)
            .await
            .unwrap();

        let violations = invariants.violations().await.unwrap();
        assert!(
            violations.iter().any(|violation| violation.contains(found)),
            "{violation} was found as {violations:#?}"
        );
    }
}

#[tokio::test]
async fn a_past_excess_of_workers_over_slots_is_found() {
    let (world, invariants) = watched().await;
    for _ in 0..3 {
        world.running().await;
    }
    sqlx::raw_sql("update workers set status = 'killed', ended_at = now(); update work_items set status = 'cancelled', ended_at = now()")
        .execute(&world.pool)
        .await
        .unwrap();

    let violations = invariants.violations().await.unwrap();

    assert!(
        violations
            .iter()
            .any(|violation| violation.contains("is number 3 in 2 slots")),
        "{violations:#?}"
    );
}

#[tokio::test]
async fn locks_of_ended_workers_are_found() {
    let (world, invariants) = watched().await;
    let worker = world.running().await;
    let files = serde_json::json!({ "files": ["src/main.rs"] });
    world.call(&worker, "lock", &files).await.expect(200);
    let (url, prefix) = (world.redis.url(), world.redis.prefix());
    let at_once = std::time::Duration::from_millis(100);
    invariants
        .wait_for_locks(url, prefix, crate::app::PATIENCE)
        .await
        .unwrap();

    sqlx::raw_sql("delete from workers")
        .execute(&world.pool)
        .await
        .unwrap();

    let error = invariants.wait_for_locks(url, prefix, at_once).await.unwrap_err();
    assert!(error.to_string().contains("src/main.rs"), "{error:#}");
}
