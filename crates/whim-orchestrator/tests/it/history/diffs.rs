//! Diffs of items.

use serde_json::{Value, json};
use whim_core::WorkItemId;

use super::diff;
use crate::app::TestApp;
use crate::watcher::Watcher;
use crate::world::{World, complete, fail};

async fn read(world: &World, item: WorkItemId) -> Value {
    world.get(&format!("/api/work/{item}/diff")).await.expect(200)
}

#[tokio::test]
async fn the_diff_of_the_latest_push_replaces_the_previous_one() {
    let world = World::new().await;
    let worker = world.running().await;
    let before = read(&world, worker.item).await;
    assert_eq!(
        (&before["files"], &before["headSha"], &before["updatedAt"]),
        (&json!([]), &Value::Null, &Value::Null)
    );

    for head in [1, 2] {
        let stored = world.call(&worker, "diff", &diff(head)).await.expect(200);
        assert_eq!(stored["headSha"], diff(head)["headSha"]);
    }

    let shown = read(&world, worker.item).await;
    let sent = diff(2);
    for field in [
        "baseSha",
        "headSha",
        "files",
        "fileCount",
        "additions",
        "deletions",
    ] {
        assert_eq!(shown[field], sent[field], "{field}");
    }
    assert_eq!(
        (&shown["workerId"], &shown["leaseEpoch"]),
        (&json!(worker.id), &json!(1))
    );
    assert_eq!(shown["truncated"], false);
    let unknown = world.get(&format!("/api/work/{}/diff", WorkItemId::new())).await;
    assert_eq!(unknown.expect_error(404), "not_found");
}

#[tokio::test]
async fn what_is_missing_in_a_diff_is_said() {
    let world = World::new().await;
    let worker = world.running().await;
    let mut files_missing = diff(1);
    files_missing["fileCount"] = json!(1001);
    let mut patch_missing = diff(2);
    patch_missing["files"][0]["isTruncated"] = json!(true);
    for body in [files_missing, patch_missing] {
        world.call(&worker, "diff", &body).await.expect(200);
        assert_eq!(read(&world, worker.item).await["truncated"], true, "{body}");
    }
}

#[tokio::test]
async fn a_worker_that_lost_its_item_does_not_replace_the_diff_of_the_next() {
    let world = World::new().await;
    let first = world.running().await;
    world.call(&first, "diff", &diff(1)).await.expect(200);
    world.call(&first, "fail", &fail("crash")).await.expect(200);
    // The diff of its last push may arrive after its final report.
    world.call(&first, "diff", &diff(2)).await.expect(200);
    world.release_due_retries().await;
    let second = world.start_worker().await;
    world.call(&second, "diff", &diff(3)).await.expect(200);

    let late = world.call(&first, "diff", &diff(4)).await;

    assert_eq!(late.expect_error(409), "lease_lost");
    assert_eq!(read(&world, first.item).await["headSha"], diff(3)["headSha"]);
    world.call(&second, "complete", &complete()).await.expect(200);
    assert_eq!(world.number("select count(*) from work_item_diffs").await, 1);
}

#[tokio::test]
async fn invalid_diffs_are_refused_with_the_field() {
    let world = World::new().await;
    let worker = world.running().await;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = diff(1);
        change(&mut body);
        body
    };
    let file = diff(1)["files"][0].clone();
    for (body, field) in [
        (with(&|body| body["headSha"] = json!("HEAD")), "headSha"),
        (
            with(&|body| body["files"] = json!(vec![file.clone(); 1001])),
            "files",
        ),
        (
            with(&|body| body["files"][0]["patch"] = "x".repeat(800 * 1024).into()),
            "files",
        ),
        (
            with(&|body| body["files"][0]["status"] = json!("great")),
            "files[0].status",
        ),
        (
            with(&|body| body["workItemId"] = json!(worker.item)),
            "workItemId",
        ),
    ] {
        let refused = world.call(&worker, "diff", &body).await;
        assert_eq!(refused.expect_refused_field(), field);
    }
    assert_eq!(world.number("select count(*) from work_item_diffs").await, 0);
}

#[tokio::test]
async fn subscribers_are_notified_of_a_new_diff() {
    let app = TestApp::start().await;
    let (item, worker) = app.running().await;
    let mut subscriber = Watcher::of_all(&app).await;
    let (status, answer) = app.worker_call(worker, "diff", &diff(1)).await;
    assert_eq!(status, 200, "{answer}");
    let told = subscriber.next_of("diff").await;
    assert_eq!(
        (
            &told.data["workItemId"],
            &told.data["headSha"],
            &told.data["leaseEpoch"]
        ),
        (&json!(item.id), &diff(1)["headSha"], &json!(1))
    );
    app.stop().await;
}
