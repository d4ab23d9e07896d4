//! Notes of people to the agent of an item.

use futures::future::join_all;
use serde_json::{Value, json};
use whim_core::WorkItemId;

use crate::world::{World, complete};

fn path(id: WorkItemId) -> String {
    format!("/api/work/{id}/notes")
}

#[tokio::test]
async fn a_note_is_stored_trimmed_and_listed_with_its_run_and_its_author() {
    let world = World::new().await;
    let id = world.submit().await;
    let first = json!({ "text": "  Use tabs.\r\n\r\n- Please\t!\n", "author": "Mona-Lisa" });

    let added = world.post(&path(id), &first).await.expect(201);
    let second = world.add_note(id, "ä".repeat(4000).as_str()).await;

    assert_eq!(
        (
            &added["workItemId"],
            &added["run"],
            &added["text"],
            &added["author"]
        ),
        (
            &json!(id),
            &json!(1),
            &json!("Use tabs.\n\n- Please\t!"),
            &json!("Mona-Lisa")
        )
    );
    assert_eq!(
        (&added["deliveredAt"], &added["attempt"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(second["author"], Value::Null);
    assert_eq!(world.notes(id).await, [added, second]);
    assert_eq!(world.notes(world.submit().await).await, [] as [Value; 0]);
}

#[tokio::test]
async fn an_invalid_field_is_refused_by_name_and_nothing_is_stored() {
    let world = World::new().await;
    let id = world.submit().await;
    for (body, field) in [
        (json!({}), "text"),
        (json!({ "text": "" }), "text"),
        (json!({ "text": " \n\t" }), "text"),
        (json!({ "text": "x".repeat(4001) }), "text"),
        (json!({ "text": "a\0b" }), "text"),
        (json!({ "text": "a\u{1b}[2J" }), "text"),
        (json!({ "text": "a\u{9b}" }), "text"),
        (json!({ "text": 7 }), "text"),
        (json!({ "text": "x", "author": "two words" }), "author"),
        (json!({ "text": "x", "sourceKey": "" }), "sourceKey"),
        (json!({ "text": "x", "sourceKey": "k".repeat(201) }), "sourceKey"),
        (json!({ "text": "x", "sourceKey": "a\0" }), "sourceKey"),
    ] {
        let refused = world.post(&path(id), &body).await;
        assert_eq!(refused.expect_refused_field(), field, "{body}");
    }
    let unknown = json!({ "text": "x", "autor": "ana" });
    assert_eq!(
        world.post(&path(id), &unknown).await.expect_error(400),
        "invalid_request"
    );
    assert_eq!(world.number("select count(*) from work_item_notes").await, 0);
    assert_eq!(world.number("select note_count::bigint from work_items").await, 0);
}

#[tokio::test]
async fn the_same_source_key_is_one_note_of_an_item_also_at_the_same_time_and_after_its_end() {
    let world = World::new().await;
    let worker = world.running().await;
    let id = worker.item;
    let body = json!({ "text": "Use tabs.", "sourceKey": "comment:17" });

    let of_item = path(id);
    let answers = join_all((0..6).map(|_| world.post(&of_item, &body))).await;

    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(created, 1, "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer.body == answers[0].body),
        "{answers:?}"
    );
    let other = world.submit().await;
    world.post(&path(other), &body).await.expect(201);
    world.call(&worker, "complete", &complete()).await.expect(200);
    assert_eq!(world.post(&path(id), &body).await.expect(200), answers[0].body);
    assert_eq!(world.notes(id).await.len(), 1);
}

#[tokio::test]
async fn an_ended_item_takes_no_note_and_says_what_to_do() {
    let world = World::new().await;
    let id = world.submit().await;
    world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);

    let refused = world
        .post(&path(id), &json!({ "text": "Use tabs." }))
        .await
        .expect(409);

    assert_eq!(
        (&refused["code"], &refused["details"]["status"]),
        (&json!("wrong_state"), &json!("cancelled"))
    );
    assert!(
        refused["error"].as_str().unwrap().contains("requeue it"),
        "{refused:#}"
    );
    let nowhere = WorkItemId::new();
    let unknown = world.post(&path(nowhere), &json!({ "text": "x" })).await;
    assert_eq!(unknown.expect_error(404), "not_found");
    assert_eq!(world.get(&path(nowhere)).await.expect_error(404), "not_found");
}

#[tokio::test]
async fn a_run_has_at_most_fifty_notes_and_the_next_run_starts_without() {
    let world = World::new().await;
    let id = world.submit().await;
    let bodies: Vec<Value> = (1..=53)
        .map(|number| json!({ "text": format!("note {number}") }))
        .collect();

    let answers = join_all(
        bodies
            .iter()
            .map(|body| async { world.post(&path(id), body).await }),
    )
    .await;

    let refused: Vec<&Value> = answers
        .iter()
        .filter(|answer| answer.status == 409)
        .map(|answer| &answer.body)
        .collect();
    assert_eq!(refused.len(), 3, "{answers:?}");
    assert_eq!(
        (&refused[0]["code"], &refused[0]["details"]["limit"]),
        (&json!("limit_reached"), &json!(50))
    );
    for call in ["cancel", "requeue"] {
        world
            .post(&format!("/api/work/{id}/{call}"), &json!({}))
            .await
            .expect(200);
    }
    assert_eq!(world.add_note(id, "of the second run").await["run"], 2);
    let notes = world.notes(id).await;
    assert_eq!(notes.len(), 51);
    assert_eq!(notes[50]["text"], "of the second run");
}

#[tokio::test]
async fn notes_are_taken_while_the_spec_is_written_and_while_the_item_waits() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "description": "Greet the world." });
    let generating = crate::world::id_of(&world.post("/api/work", &body).await.expect(201));
    world.add_note(generating, "In the spec's time").await;
    let queued = world.submit().await;
    world.add_note(queued, "In the queue").await;

    let worker = world.claim().await.unwrap();

    assert_eq!(world.status(queued).await, "assigned");
    world.add_note(worker.item, "Before it registered").await;
    let registered = world.register(&worker, "nonce").await.expect(200);
    let texts: Vec<&Value> = registered["workItem"]["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| &note["text"])
        .collect();
    assert_eq!(texts, ["In the queue", "Before it registered"]);
}
