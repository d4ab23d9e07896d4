//! Files that two items change: refused, restored after Redis lost the locks, and shown on both items.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};

use crate::app::answers_again;
use crate::world::{TestWorker, World, fail};

fn lock(files: &[&str]) -> Value {
    json!({ "files": files })
}

fn changed(files: &[&str]) -> Value {
    json!({ "files": files, "after": true })
}

/// The conflicts that an item shows, without their times.
async fn shown(world: &World, worker: &TestWorker) -> Vec<Value> {
    let item = world.item(worker.item).await;
    let conflicts = item["lockConflicts"].as_array().cloned().unwrap_or_default();
    conflicts
        .into_iter()
        .map(|mut conflict| {
            let at = conflict.as_object_mut().unwrap().remove("detectedAt");
            assert!(at.is_some_and(|at| at.is_string()));
            conflict
        })
        .collect()
}

#[tokio::test]
async fn a_file_that_was_changed_while_another_item_held_it_is_shown_on_both_items() {
    let world = World::new().await;
    let (holder, other) = (world.running().await, world.running().await);
    world
        .call(&holder, "lock", &lock(&["src/a.rs", "src/b.rs"]))
        .await
        .expect(200);

    for _ in 0..2 {
        let answer = world
            .call(&other, "lock", &changed(&["src/c.rs", "src/a.rs"]))
            .await
            .expect(200);
        assert_eq!(answer["files"], json!(["src/c.rs"]));
        assert_eq!(answer["conflicts"][0]["workItemId"], json!(holder.item));
        assert_eq!(answer["conflicts"].as_array().map(Vec::len), Some(1));
    }

    let branch_of = async |worker: &TestWorker| world.item(worker.item).await["branch"].clone();
    let (holders_branch, others_branch) = (branch_of(&holder).await, branch_of(&other).await);
    assert_eq!(
        shown(&world, &other).await,
        [
            json!({ "path": "src/a.rs", "otherWorkItemId": holder.item, "otherBranch": holders_branch, "isHolder": false })
        ]
    );
    assert_eq!(
        shown(&world, &holder).await,
        [
            json!({ "path": "src/a.rs", "otherWorkItemId": other.item, "otherBranch": others_branch, "isHolder": true })
        ]
    );
    // Subscribers of the holder are notified once.
    let notices = "select count(*) from events e
         where e.kind = 'worker_event' and e.body->>'type' = 'notice' and e.body->>'message' like 'src/a.rs was changed by work item%'";
    assert_eq!(world.number(notices).await, 1);
    // Free files are locked as usual.
    world
        .call(&holder, "lock", &lock(&["src/c.rs"]))
        .await
        .expect(409);
    // Lists do not include the conflicts.
    let list = world.get("/api/work").await.expect(200);
    assert!(
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|item| item["lockConflicts"].is_null())
    );
}

// docs/faults.md, row 33.
#[tokio::test]
async fn a_redis_that_was_emptied_while_files_were_locked_grants_them_to_no_other_worker() {
    let world = World::with_own_redis().await;
    let (holder, other) = (world.running().await, world.running().await);
    world
        .call(&holder, "lock", &lock(&["src/a.rs", "src/b.rs"]))
        .await
        .expect(200);
    world
        .call(&holder, "unlock", &lock(&["src/b.rs"]))
        .await
        .expect(204);

    world.redis.restart_empty().await.unwrap();
    answers_again(&world.app.redis).await;

    let refused = world.call(&other, "lock", &lock(&["src/a.rs"])).await.expect(409);
    assert_eq!(refused["details"]["conflicts"][0]["workerId"], json!(holder.id));
    world.call(&other, "lock", &lock(&["src/b.rs"])).await.expect(200);
    world
        .call(&holder, "lock", &lock(&["src/a.rs"]))
        .await
        .expect(200);
    // They are released with their worker, like granted ones.
    world.call(&holder, "fail", &fail("crash")).await.expect(200);
    world.call(&other, "lock", &lock(&["src/a.rs"])).await.expect(200);
}

#[tokio::test]
async fn a_stale_lock_of_an_ended_worker_is_granted_to_the_next_one() {
    let world = World::with_own_redis().await;
    let (ended, next) = (world.running().await, world.running().await);
    world.call(&ended, "lock", &lock(&["src/a.rs"])).await.expect(200);
    world.redis.stop().await.unwrap();
    world.call(&ended, "fail", &fail("crash")).await.expect(200);
    world.redis.restart_empty().await.unwrap();
    answers_again(&world.app.redis).await;
    // As in a Redis that was only unreachable.
    let repo = "octocat/hello".parse().unwrap();
    let files = ["src/a.rs".parse().unwrap()];
    world.app.locks.restore(&[]).await.unwrap();
    let take = whim_orchestrator::locks::LockMode::AllOrNothing;
    world
        .app
        .locks
        .acquire(ended.id, &repo, &files, take)
        .await
        .unwrap();

    world.call(&next, "lock", &lock(&["src/a.rs"])).await.expect(200);
}

#[tokio::test]
async fn locked_files_are_listed_with_their_holders_page_by_page() {
    let world = World::new().await;
    let (one, two) = (world.running().await, world.running().await);
    world
        .call(&one, "lock", &lock(&["src/b.rs", "src/a.rs"]))
        .await
        .expect(200);
    world.call(&two, "lock", &lock(&["src/c.rs"])).await.expect(200);

    let mut listed = Vec::new();
    let mut path = "/api/locks?repo=Octocat/Hello&limit=2".to_owned();
    loop {
        let page = world.get(&path).await.expect(200);
        for lock in page["items"].as_array().unwrap() {
            assert!(
                lock["lockedAt"].is_string() && lock["branch"].is_string(),
                "{lock}"
            );
            assert_eq!(lock["repo"], "octocat/hello");
            listed.push((
                lock["path"].clone(),
                lock["workerId"].clone(),
                lock["workItemId"].clone(),
            ));
        }
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!(
            "/api/locks?repo=Octocat/Hello&limit=2&cursor={}",
            cursor.replace('/', "%2F")
        );
    }
    let held = |path: &str, worker: &TestWorker| (json!(path), json!(worker.id), json!(worker.item));
    assert_eq!(
        listed,
        [
            held("src/a.rs", &one),
            held("src/b.rs", &one),
            held("src/c.rs", &two)
        ]
    );
    assert_eq!(
        world.get("/api/locks?repo=octocat/other").await.expect(200)["items"],
        json!([])
    );
    assert_eq!(
        world.get("/api/locks?cursor=x").await.expect_refused_field(),
        "cursor"
    );

    // Locks of an ended worker are not listed.
    world.call(&one, "fail", &fail("crash")).await.expect(200);
    let left = world.get("/api/locks").await.expect(200)["items"].clone();
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
}

// docs/attacks.md, rows 24 and 37.
#[tokio::test]
async fn a_worker_locks_files_of_its_own_repository_and_nothing_that_leaves_it() {
    let world = World::new().await;
    let worker = world.running().await;
    let elsewhere = json!({ "files": ["src/a.rs"], "repo": "octocat/other" });
    world
        .call(&worker, "lock", &elsewhere)
        .await
        .expect_refused_field();
    let long = "x/".repeat(600);
    for file in [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a\0b",
        "a\\b",
        "C:/x",
        "",
        &long,
    ] {
        let refused = world.call(&worker, "lock", &lock(&["src/a.rs", file])).await;
        assert!(refused.expect_refused_field().starts_with("files"), "{file:?}");
    }
    assert_eq!(world.app.locks.holders().await.unwrap(), []);
}

#[tokio::test]
async fn the_explanation_of_an_item_names_the_lock_that_its_agent_waits_for() {
    let world = World::new().await;
    let (holder, waiting) = (world.running().await, world.running().await);
    world
        .call(&holder, "lock", &lock(&["src/a.rs"]))
        .await
        .expect(200);
    world
        .call(&waiting, "lock", &lock(&["src/a.rs"]))
        .await
        .expect(409);

    let explained = async |worker: &TestWorker| {
        world
            .get(&format!("/api/work/{}/explain", worker.item))
            .await
            .expect(200)
    };
    let answer = explained(&waiting).await;
    let sentence = answer["explanation"].as_str().unwrap();
    assert_eq!(answer["reasonCode"], "lock_held");
    assert!(
        sentence.contains("src/a.rs") && sentence.contains(&holder.item.to_string()),
        "{sentence}"
    );
    assert_eq!(explained(&holder).await["reasonCode"], "running");
}
