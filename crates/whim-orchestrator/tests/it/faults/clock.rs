//! Workers with wrong clocks, and workers that report no progress for long.

use std::time::{Duration, Instant};

use serde_json::json;
use whim_core::WorkItemStatus;

use crate::app::TestApp;
use crate::world::World;

// docs/faults.md, row 35.
#[tokio::test]
async fn the_lease_of_a_worker_with_a_wrong_clock_follows_database_time() {
    for at in ["1999-12-31T23:59:59Z", "2199-01-01T00:00:00Z"] {
        let world = World::new().await;
        let worker = world.running().await;
        let event = json!({ "occurredAt": at, "type": "notice", "message": "hello" });
        let body = json!({ "seq": 1, "iteration": 1, "events": [event] });

        world.call(&worker, "heartbeat", &body).await.expect(200);

        let wrong = world
            .number(
                "select count(*) from worker_heartbeats b, worker_iterations n
                 where b.lease_expires_at not between now() and now() + interval '5 minutes'
                    or b.progress_at not between now() - interval '5 minutes' and now()
                    or b.last_heartbeat_at not between now() - interval '5 minutes' and now()
                    or n.day not between (now() - interval '5 minutes')::date and now()::date",
            )
            .await;
        assert_eq!(wrong, 0, "a stored time comes from the worker: {at}");
    }
}

// docs/faults.md, row 13: a silent tool call of ten minutes, scaled down.
#[tokio::test]
async fn a_worker_that_sends_only_timer_heartbeats_keeps_its_item() {
    let settings = [
        ("STALE_THRESHOLD", "3"),
        ("HEARTBEAT_INTERVAL_SECONDS", "1"),
        ("PROGRESS_DEADLINE_SECONDS", "600"),
    ];
    let app = TestApp::with(&settings).await;
    let (item, worker) = app.running().await;

    let begin = Instant::now();
    let mut timer = tokio::time::interval(Duration::from_millis(200));
    for seq in 1.. {
        timer.tick().await;
        let (status, answer) = app.worker_call(worker, "heartbeat", &json!({ "seq": seq })).await;
        assert_eq!(status, 200, "{answer}");
        if begin.elapsed() > Duration::from_secs(7) {
            break;
        }
    }

    let now = app.item(item.id).await;
    assert_eq!(
        (now.status, now.worker_id),
        (WorkItemStatus::InProgress, Some(worker))
    );
    app.stop().await;
}
