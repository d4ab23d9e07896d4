//! The clocks of workers are wrong.

use serde_json::json;

use crate::world::World;

// FAULTS.md, row 35.
#[tokio::test]
async fn a_worker_whose_clock_is_wrong_lives_by_the_time_of_the_database() {
    for at in ["1999-12-31T23:59:59Z", "2199-01-01T00:00:00Z"] {
        let world = World::new().await;
        let worker = world.running().await;
        let event = json!({ "at": at, "type": "notice", "message": "hello" });
        let body = json!({ "seq": 1, "iteration": 1, "events": [event] });

        world.call(&worker, "heartbeat", &body).await.expect(200);

        let wrong = world
            .number(
                "select count(*) from worker_beats b, worker_iterations n
                 where b.lease_expires_at not between now() and now() + interval '5 minutes'
                    or b.progress_at not between now() - interval '5 minutes' and now()
                    or b.last_heartbeat_at not between now() - interval '5 minutes' and now()
                    or n.day not between (now() - interval '5 minutes')::date and now()::date",
            )
            .await;
        assert_eq!(wrong, 0, "a time is the worker's: {at}");
    }
}
