//! Partitions of the event log.
#![expect(clippy::unwrap_used, reason = "a test whose world breaks has failed")]

use whim_orchestrator::reconcile::{Partitions, TableReport};
use whim_service::reconcile::Reconciler as _;

use crate::world::World;

const ALL: &str = "select count(*) from events";
const WITHOUT_A_DAY: &str = "select count(*) from events_default";
const DAYS: &str = "select count(*) from pg_inherits where inhparent = 'events'::regclass";

async fn insert(world: &World, days_ago: i32) {
    sqlx::query(
        r#"insert into events (kind, work_item_id, worker_id, body, recorded_at)
           values ('worker_event', gen_random_uuid(), gen_random_uuid(), '{"type": "notice", "message": ""}',
                   now() - make_interval(days => $1))"#,
    )
    .bind(days_ago)
    .execute(&world.pool)
    .await
    .unwrap();
}

async fn reconcile(world: &World) -> TableReport {
    Partitions(world.app.clone()).reconcile().await.unwrap().events
}

#[tokio::test]
async fn partitions_are_created_ahead_and_events_of_the_default_partition_are_moved_there() {
    let world = World::new().await;
    insert(&world, 0).await;
    insert(&world, 3).await;
    assert_eq!(world.number(WITHOUT_A_DAY).await, 2);

    let report = reconcile(&world).await;

    // Today, two days ahead, and the one three days ago.
    assert_eq!((report.created.len(), report.dropped.len()), (4, 0), "{report:?}");
    assert_eq!(
        (world.number(ALL).await, world.number(WITHOUT_A_DAY).await),
        (2, 0)
    );
    insert(&world, 0).await;
    insert(&world, -1).await;
    assert_eq!(
        (world.number(ALL).await, world.number(WITHOUT_A_DAY).await),
        (4, 0)
    );
    let again = reconcile(&world).await;
    assert_eq!((again.created, again.dropped), (vec![], vec![]));
}

#[tokio::test]
async fn partitions_older_than_the_retention_are_dropped() {
    let world = World::with(&[("EVENT_RETENTION_DAYS", "2")]).await;
    for days_ago in [0, 2, 3, 40] {
        insert(&world, days_ago).await;
    }

    let report = reconcile(&world).await;

    assert_eq!(report.dropped.len(), 2, "{report:?}");
    assert_eq!(world.number(ALL).await, 2);
    // The default, today, two days ahead, and the one two days ago.
    assert_eq!(world.number(DAYS).await, 5);
}

#[tokio::test]
async fn several_orchestrators_create_partitions_while_events_are_written() {
    let world = World::new().await;
    let writer = async {
        for _ in 0..50 {
            insert(&world, 0).await;
        }
    };
    let (one, other, ()) = tokio::join!(reconcile(&world), reconcile(&world), writer);

    assert_eq!(one.created.len() + other.created.len(), 3, "{one:?} {other:?}");
    assert_eq!(world.number(ALL).await, 50);
    assert_eq!(world.number("select count(distinct id) from events").await, 50);
}
