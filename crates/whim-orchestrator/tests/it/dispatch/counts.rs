//! The counts of items, which are maintained by triggers.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::json;
use whim_core::{Priority, WorkItemStatus};
use whim_orchestrator::db::work_items;

use crate::world::{SPEC, World, complete, fail};

/// The counts of the interface, and those of the rows.
type Counts = (BTreeMap<WorkItemStatus, u64>, BTreeMap<Priority, u64>);

async fn shown(world: &World) -> Counts {
    let by_status = work_items::by_status(&world.pool).await.unwrap();
    let by_priority = work_items::by_priority(&world.pool).await.unwrap();
    (by_status, by_priority)
}

async fn counted(world: &World) -> Counts {
    let by_status: Vec<(WorkItemStatus, i64)> =
        sqlx::query_as("select status, count(*) from work_items group by status")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let by_priority: Vec<(Priority, i64)> =
        sqlx::query_as("select priority, count(*) from work_items where status = 'queued' group by priority")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    let mut counts: Counts = (
        WorkItemStatus::ALL.map(|status| (status, 0)).into(),
        Priority::ALL.map(|priority| (priority, 0)).into(),
    );
    counts.0.extend(
        by_status
            .into_iter()
            .map(|(status, count)| (status, count.cast_unsigned())),
    );
    counts.1.extend(
        by_priority
            .into_iter()
            .map(|(priority, count)| (priority, count.cast_unsigned())),
    );
    counts
}

#[tokio::test]
async fn the_counts_are_those_of_the_items_after_every_kind_of_change() {
    let world = World::new().await;
    for priority in ["low", "high", "high", "critical", "medium"] {
        let body = json!({ "repo": "octocat/hello", "spec": SPEC, "priority": priority });
        world.post("/api/work", &body).await.expect(201);
    }
    assert_eq!(shown(&world).await, counted(&world).await, "after submissions");

    let worker = world.running().await;
    assert_eq!(shown(&world).await, counted(&world).await, "after a claim");
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    let ended = world.start_worker().await;
    world.call(&ended, "complete", &complete()).await.expect(200);
    let cancelled = world.submit().await;
    let cancel = format!("/api/work/{cancelled}/cancel");
    world.post(&cancel, &json!({})).await.expect(200);
    assert_eq!(
        shown(&world).await,
        counted(&world).await,
        "after a retry and two ends"
    );

    let several = "update work_items set priority = 'low' where status = 'queued'";
    sqlx::query(several).execute(&world.pool).await.unwrap();
    let gone = "delete from work_items where status = 'cancelled'";
    sqlx::query(gone).execute(&world.pool).await.unwrap();
    assert_eq!(
        shown(&world).await,
        counted(&world).await,
        "after manual statements"
    );

    let before = world.number("select count(*) from work_item_counts").await;
    let added_up = work_items::compact_counts(&world.pool, 0, 1000).await.unwrap();
    assert_eq!(added_up, before.unsigned_abs());
    assert_eq!(shown(&world).await, counted(&world).await, "after the compaction");
    let after = world.number("select count(*) from work_item_counts").await;
    assert!(after < before, "{before} rows became {after}");
}

#[tokio::test]
async fn concurrent_compaction_of_counts_while_items_change_loses_and_duplicates_nothing() {
    let world = World::new().await;
    let submissions = async {
        for _ in 0..20 {
            world.submit().await;
        }
    };
    let adding = join_all((0..3).map(async |_| {
        for _ in 0..40 {
            work_items::compact_counts(&world.pool, 0, 7).await.unwrap();
        }
    }));

    tokio::join!(submissions, adding);

    assert_eq!(shown(&world).await, counted(&world).await);
}
