//! The approved text of a run is its description.

use serde_json::{Value, json};
use whim_core::source::TextHash;

use crate::world::{World, id_of};

const TEXT: &str = "Say hello\n\nPlease.";

fn approval(event: u64, text: &str) -> Value {
    json!({
        "approvedBy": "octocat", "approvedById": 1, "approvedAt": "2026-01-01T00:00:00Z", "eventId": event,
        "textSha256": TextHash::of(text),
    })
}

fn submission(approval: &Value) -> Value {
    json!({ "repo": "octocat/hello", "description": TEXT, "metadata": { "approval": approval } })
}

#[tokio::test]
async fn an_approval_for_another_text_is_refused() {
    let world = World::new().await;
    for wrong in [approval(1, "Say goodbye"), approval(1, "")] {
        let refused = world.post("/api/work", &submission(&wrong)).await.expect(400);
        assert_eq!(refused["details"]["field"], "metadata.approval", "{refused:#}");
    }
    let item = world
        .post("/api/work", &submission(&approval(1, TEXT)))
        .await
        .expect(201);
    let id = id_of(&item);
    world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);

    let requeue = format!("/api/work/{id}/requeue");
    let other = json!({ "description": "Say goodbye", "approval": approval(2, TEXT) });
    let refused = world.post(&requeue, &other).await.expect(400);
    assert_eq!(refused["details"]["field"], "approval", "{refused:#}");
    // Without a description, the item keeps its own.
    let again = json!({ "approval": approval(2, TEXT) });
    let item = world.post(&requeue, &again).await.expect(200);
    assert_eq!(item["metadata"]["approval"], approval(2, TEXT));
    assert_eq!(item["run"], 2);
    world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);
    let other = json!({ "description": "Say goodbye", "approval": approval(3, "Say goodbye") });
    let item = world.post(&requeue, &other).await.expect(200);
    assert_eq!(item["metadata"]["approval"], approval(3, "Say goodbye"));
}
