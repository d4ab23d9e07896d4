//! Notes on their way to the agent.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use whim_core::protocol::events::SubscriberEvent;
use whim_orchestrator::db::events;

use crate::world::{HEAD, SPEC_HALF_DONE, TestWorker, World, complete, fail};

async fn heartbeat(world: &World, worker: &TestWorker, body: Value) -> Value {
    world.call(worker, "heartbeat", &body).await.expect(200)
}

fn texts(notes: &Value) -> Vec<&str> {
    let notes = notes.as_array().unwrap().iter();
    notes.map(|note| note["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_heartbeat_says_how_many_notes_the_run_has_and_the_worker_reads_them() {
    let world = World::new().await;
    let worker = world.running().await;
    let other = world.running().await;
    assert_eq!(
        heartbeat(&world, &worker, json!({ "seq": 1 })).await["noteCount"],
        0
    );
    world.add_note(worker.item, "first").await;
    world.add_note(worker.item, "second").await;

    let renewed = heartbeat(&world, &worker, json!({ "seq": 2 })).await;

    assert_eq!(renewed["noteCount"], 2);
    // A repeated one, and one that is written alone.
    assert_eq!(
        heartbeat(&world, &worker, json!({ "seq": 2 })).await["noteCount"],
        2
    );
    let checklist = json!({ "seq": 3, "spec": SPEC_HALF_DONE, "headSha": HEAD });
    assert_eq!(heartbeat(&world, &worker, checklist).await["noteCount"], 2);
    assert_eq!(
        heartbeat(&world, &other, json!({ "seq": 1 })).await["noteCount"],
        0
    );
    let received = world.run_notes(&worker).await.expect(200);
    assert_eq!(texts(&received["notes"]), ["first", "second"]);
    assert_eq!(world.run_notes(&other).await.expect(200), json!({ "notes": [] }));
    assert_eq!(
        world
            .number("select count(*) from work_item_notes where delivered_at is not null")
            .await,
        0
    );
}

#[tokio::test]
async fn notes_that_a_prompt_has_are_delivered_once_with_events_and_the_attempt() {
    let world = World::new().await;
    let worker = world.running().await;
    for text in ["first", "second", "third"] {
        world.add_note(worker.item, text).await;
    }

    heartbeat(&world, &worker, json!({ "seq": 1, "notesDelivered": 2 })).await;

    let delivered = world.notes(worker.item).await;
    assert_eq!(
        delivered.iter().map(|note| &note["attempt"]).collect::<Vec<_>>(),
        [&json!(1), &json!(1), &Value::Null]
    );
    assert!(delivered[1]["deliveredAt"].is_string() && delivered[2]["deliveredAt"].is_null());
    // Late, or more than there are.
    heartbeat(&world, &worker, json!({ "seq": 1, "notesDelivered": 3 })).await;
    assert_eq!(world.notes(worker.item).await, delivered);
    heartbeat(&world, &worker, json!({ "seq": 2, "notesDelivered": 1 })).await;
    assert_eq!(world.notes(worker.item).await, delivered);
    heartbeat(&world, &worker, json!({ "seq": 3, "notesDelivered": u32::MAX })).await;
    let timeline = format!("/api/work/{}/timeline", worker.item);
    let timeline = world.get(&timeline).await.expect(200);
    assert_eq!(
        timeline["items"][0]["notes"],
        json!(world.notes(worker.item).await)
    );

    let page = events::page(&world.pool, 0, i64::MAX, None, 500).await.unwrap();
    let of_notes: Vec<(&str, String)> = page
        .events
        .iter()
        .filter_map(|stored| match &stored.event {
            SubscriberEvent::NoteAdded(added) => Some(("added", added.note_id.to_string())),
            SubscriberEvent::NoteDelivered(delivered) => {
                assert_eq!((delivered.worker_id, delivered.run), (worker.id, 1));
                Some(("delivered", delivered.note_id.to_string()))
            }
            SubscriberEvent::Item(_)
            | SubscriberEvent::Worker(_)
            | SubscriberEvent::WorkerEvent(_)
            | SubscriberEvent::Transcript(_)
            | SubscriberEvent::Diff(_)
            | SubscriberEvent::Lagged(_) => None,
        })
        .collect();
    let ids: Vec<&str> = delivered
        .iter()
        .map(|note| note["id"].as_str().unwrap())
        .collect();
    let expected = ["added", "delivered"].map(|kind| ids.iter().map(move |id| (kind, (*id).to_owned())));
    assert_eq!(of_notes, expected.into_iter().flatten().collect::<Vec<_>>());
}

#[tokio::test]
async fn every_attempt_of_a_run_gets_all_of_its_notes_also_after_a_restart_and_another_run_none() {
    let mut world = World::new().await;
    let first = world.running().await;
    world.add_note(first.item, "first").await;
    heartbeat(&world, &first, json!({ "seq": 1, "notesDelivered": 1 })).await;
    world.call(&first, "fail", &fail("crash")).await.expect(200);
    world.add_note(first.item, "while it waits for its retry").await;
    world.restart();
    world.release_due_retries().await;

    let second = world.claim().await.unwrap();
    let registered = world.register(&second, "nonce").await.expect(200);

    let notes = &registered["workItem"]["notes"];
    assert_eq!(texts(notes), ["first", "while it waits for its retry"]);
    assert_eq!(
        (&notes[0]["attempt"], &notes[1]["attempt"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(
        heartbeat(&world, &second, json!({ "seq": 1, "notesDelivered": 2 })).await["noteCount"],
        2
    );
    let delivered = world.notes(second.item).await;
    assert_eq!(
        (&delivered[0]["attempt"], &delivered[1]["attempt"]),
        (&json!(1), &json!(2))
    );

    world.call(&second, "complete", &complete()).await.expect(200);
    world
        .post(&format!("/api/work/{}/requeue", second.item), &json!({}))
        .await
        .expect(200);
    let third = world.claim().await.unwrap();
    let registered = world.register(&third, "nonce").await.expect(200);
    assert_eq!(registered["workItem"]["notes"], json!([]));
    assert_eq!(
        heartbeat(&world, &third, json!({ "seq": 1 })).await["noteCount"],
        0
    );
    assert_eq!(world.run_notes(&third).await.expect(200), json!({ "notes": [] }));
}

#[tokio::test]
async fn a_worker_that_lost_its_item_reads_no_notes_and_delivers_none() {
    let world = World::new().await;
    let worker = world.running().await;
    world.add_note(worker.item, "a note").await;
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    world.release_due_retries().await;
    let next = world.start_worker().await;
    assert_eq!(next.item, worker.item);

    assert_eq!(world.run_notes(&worker).await.expect_error(409), "lease_lost");
    let late = json!({ "seq": 9, "notesDelivered": 1 });
    assert_eq!(
        world.call(&worker, "heartbeat", &late).await.expect_error(409),
        "lease_lost"
    );

    assert_eq!(world.notes(next.item).await[0]["deliveredAt"], Value::Null);
    let early = world.submit().await;
    let claimed = world.claim().await.unwrap();
    assert_eq!(claimed.item, early);
    assert_eq!(world.run_notes(&claimed).await.expect_error(409), "wrong_state");
}
