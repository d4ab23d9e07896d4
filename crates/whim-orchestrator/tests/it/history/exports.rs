//! Exports of items.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io::Read as _;

use serde_json::{Value, json};
use whim_core::WorkItemId;

use super::{diff, segment};
use crate::api::reviews::review;
use crate::world::{SPEC, World, complete, fail};

async fn export(world: &World, item: WorkItemId) -> BTreeMap<String, String> {
    let (headers, bytes) = world.get_bytes(&format!("/api/work/{item}/export")).await;
    assert_eq!(headers["content-type"], "application/zstd");
    let name = format!("attachment; filename=\"whim-{}.tar.zst\"", item.short());
    assert_eq!(headers["content-disposition"], name.as_str());
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).unwrap());
    let mut files = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        files.insert(path, text);
    }
    files
}

#[tokio::test]
async fn an_export_holds_everything_about_an_item() {
    let world = World::new().await;
    let first = world.running().await;
    world
        .call(&first, "transcript", &segment(1..=3))
        .await
        .expect(200);
    world.call(&first, "fail", &fail("crash")).await.expect(200);
    world.release_due_retries().await;
    let second = world.start_worker().await;
    let notice = json!({ "occurredAt": "2026-11-20T12:00:00Z", "type": "notice", "message": "hello" });
    world
        .call(&second, "heartbeat", &json!({ "seq": 1, "events": [notice] }))
        .await
        .expect(200);
    for first in [1, 401, 801] {
        world
            .call(&second, "transcript", &segment(first..=first + 399))
            .await
            .expect(200);
    }
    world.call(&second, "review", &review(1)).await.expect(201);
    world.call(&second, "diff", &diff(1)).await.expect(200);
    world.call(&second, "complete", &complete()).await.expect(200);

    let files = export(&world, second.item).await;

    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "diff.json",
            "diff.patch",
            "events/attempt-1/000001.jsonl",
            "events/attempt-2/000001.jsonl",
            "events/item/000001.jsonl",
            "item.json",
            "notes.json",
            "reviews.json",
            "spec.md",
            "timeline.json",
            "transcript/attempt-1/000001.jsonl",
            "transcript/attempt-2/000001.jsonl",
            "transcript/attempt-2/000002.jsonl",
        ]
    );
    let json = |name: &str| -> Value { serde_json::from_str(&files[name]).unwrap() };
    let lines = |name: &str| -> Vec<Value> {
        let lines = files[name].lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(json("item.json")["status"], "completed");
    assert!(files["spec.md"].starts_with(SPEC.split_once('\n').unwrap().0));
    assert_eq!(json("timeline.json").as_array().unwrap().len(), 2);
    assert_eq!(
        json("reviews.json")[0]["findings"][0]["message"],
        "The name is not used."
    );
    assert_eq!(json("diff.json")["headSha"], diff(1)["headSha"]);
    assert!(files["diff.patch"].starts_with("diff --git a/src/greet.js b/src/greet.js\n--- a/src"));
    let transcript = [
        lines("transcript/attempt-2/000001.jsonl"),
        lines("transcript/attempt-2/000002.jsonl"),
    ]
    .concat();
    let numbers: Vec<u64> = transcript
        .iter()
        .map(|entry| entry["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=1200).collect::<Vec<_>>());
    assert!(
        lines("events/attempt-2/000001.jsonl")
            .iter()
            .any(|event| event["message"] == "hello")
    );
    let last = lines("events/item/000001.jsonl").pop().unwrap();
    assert_eq!(
        (&last["kind"], &last["status"]),
        (&json!("item"), &json!("completed"))
    );
}

#[tokio::test]
async fn an_item_that_never_ran_is_exported_as_well_and_an_unknown_one_is_not_found() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "description": "Say <hello>" });
    let item = crate::world::id_of(&world.post("/api/work", &body).await.expect(201));
    let files = export(&world, item).await;
    assert_eq!(files["description.md"], "Say <hello>");
    assert_eq!(files["timeline.json"], "[]\n");
    assert_eq!(files["diff.patch"], "");
    let unknown = world
        .get(&format!("/api/work/{}/export", WorkItemId::new()))
        .await;
    assert_eq!(unknown.expect_error(404), "not_found");
}
