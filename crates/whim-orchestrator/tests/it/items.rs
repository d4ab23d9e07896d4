//! What becomes of items: cancelled, requeued, given a specification, listed.

use serde_json::{Value, json};
use whim_core::WorkItemId;

use crate::world::{HEAD, SPEC, SPEC_HALF_DONE, World, complete, fail, id_of};

async fn generating(world: &World) -> WorkItemId {
    let body = json!({ "repo": "octocat/hello", "description": "Say hello." });
    id_of(&world.post("/api/work", &body).await.expect(201))
}

#[tokio::test]
async fn a_queued_item_is_cancelled_and_never_claimed() {
    let world = World::new().await;
    let id = world.submit().await;

    let cancel = json!({ "by": "octocat", "reason": "not needed any more" });
    let cancelled = world
        .post(&format!("/api/work/{id}/cancel"), &cancel)
        .await
        .expect(200);

    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(cancelled["error"], "Cancelled by octocat: not needed any more");
    assert_ne!(cancelled["endedAt"], Value::Null);
    assert!(world.claim().await.is_none());
    // Again is the same, and the first reason stays.
    let again = world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);
    assert_eq!(again, cancelled);
}

#[tokio::test]
async fn cancelling_a_running_item_ends_its_worker_and_releases_what_it_locked() {
    let world = World::new().await;
    let worker = world.running().await;
    let lock = json!({ "files": ["src/main.rs"] });
    world.call(&worker, "lock", &lock).await.expect(200);

    let path = format!("/api/work/{}/cancel", worker.item);
    assert_eq!(
        world.post(&path, &json!({})).await.expect(200)["error"],
        "Cancelled"
    );

    let workers = world.get("/api/workers").await.expect(200);
    let shown = &workers["workers"][0];
    assert_eq!(
        (&shown["status"], &shown["leaseExpiresAt"]),
        (&json!("killed"), &Value::Null)
    );
    assert_eq!(
        world
            .number("select count(*) from workers where stop_requested and stopped_at is null")
            .await,
        1
    );
    let other = world.running().await;
    world.call(&other, "lock", &lock).await.expect(200);
}

#[tokio::test]
async fn what_has_completed_or_failed_cannot_be_cancelled() {
    let world = World::new().await;
    for (route, body, status) in [
        ("complete", complete(), "completed"),
        ("fail", fail("push_refused"), "failed"),
    ] {
        let worker = world.running().await;
        world.call(&worker, route, &body).await.expect(200);
        let refused = world
            .post(&format!("/api/work/{}/cancel", worker.item), &json!({}))
            .await
            .expect(409);
        assert_eq!(
            (&refused["code"], &refused["details"]["status"]),
            (&json!("wrong_state"), &json!(status))
        );
    }
}

#[tokio::test]
async fn a_failed_item_is_requeued_once_for_each_run_that_was_seen_to_end() {
    let world = World::new().await;
    let worker = world.running().await;
    let progress = json!({ "seq": 1, "spec": SPEC_HALF_DONE, "headSha": HEAD });
    world.call(&worker, "heartbeat", &progress).await.expect(200);
    world
        .call(&worker, "fail", &fail("push_refused"))
        .await
        .expect(200);
    let path = format!("/api/work/{}/requeue", worker.item);

    let requeued = world.post(&path, &json!({ "afterRun": 1 })).await.expect(200);

    assert_eq!(
        (&requeued["status"], &requeued["run"]),
        (&json!("queued"), &json!(2))
    );
    assert_eq!(
        (
            &requeued["error"],
            &requeued["failureCause"],
            &requeued["endedAt"]
        ),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&requeued["spec"], &requeued["tasksDone"]),
        (&json!(SPEC_HALF_DONE), &json!(1)),
        "it resumes"
    );
    let again = world.post(&path, &json!({ "afterRun": 1 })).await.expect(200);
    assert_eq!(again["run"], 2);
    // Without a run it is a request for another one, and that has not ended.
    let refused = world.post(&path, &json!({})).await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["details"]["status"]),
        (&json!("wrong_state"), &json!("queued"))
    );
    assert_eq!(world.start_worker().await.epoch.number(), 2, "the epoch goes on");
}

#[tokio::test]
async fn a_completed_item_that_is_requeued_begins_anew() {
    let world = World::new().await;
    let worker = world.running().await;
    world.call(&worker, "complete", &complete()).await.expect(200);

    let path = format!("/api/work/{}/requeue", worker.item);
    let requeued = world.post(&path, &json!({})).await.expect(200);

    assert_eq!(
        (&requeued["status"], &requeued["spec"]),
        (&json!("queued"), &json!(SPEC))
    );
    assert_eq!(
        (&requeued["tasksDone"], &requeued["prUrl"], &requeued["retries"]),
        (&json!(0), &Value::Null, &json!(0))
    );
    let next = world.claim().await.expect("an item");
    let assignment = world.register(&next, "n").await.expect(200);
    assert_eq!(
        (
            &assignment["workItem"]["headSha"],
            &assignment["workItem"]["attempt"]
        ),
        (&Value::Null, &json!(2))
    );
}

#[tokio::test]
async fn an_item_is_not_requeued_onto_a_branch_that_another_one_works_on() {
    let world = World::new().await;
    let body = json!({ "repo": "octocat/hello", "branch": "ai/greet", "spec": SPEC });
    let first = id_of(&world.post("/api/work", &body).await.expect(201));
    world
        .post(&format!("/api/work/{first}/cancel"), &json!({}))
        .await
        .expect(200);
    let second = world.post("/api/work", &body).await.expect(201);

    let refused = world
        .post(&format!("/api/work/{first}/requeue"), &json!({}))
        .await
        .expect(409);

    assert_eq!(
        (&refused["code"], &refused["details"]["workItemId"]),
        (&json!("branch_in_use"), &second["id"])
    );
    assert_eq!(world.status(first).await, "cancelled");
}

#[tokio::test]
async fn an_item_whose_spec_was_never_written_gets_it_written_in_its_next_run() {
    let world = World::new().await;
    let id = generating(&world).await;
    let failed = json!({ "reason": "It does not say what to greet.", "retryable": false });
    world
        .post(&format!("/api/work/{id}/spec/fail"), &failed)
        .await
        .expect(200);

    let requeued = world
        .post(&format!("/api/work/{id}/requeue"), &json!({}))
        .await
        .expect(200);

    assert_eq!(
        (&requeued["status"], &requeued["run"]),
        (&json!("generating"), &json!(2))
    );
}

#[tokio::test]
async fn a_spec_that_is_handed_in_queues_its_item_and_may_be_handed_in_again() {
    let world = World::new().await;
    let id = generating(&world).await;
    let path = format!("/api/work/{id}/spec");

    let item = world.put(&path, &json!({ "spec": SPEC })).await.expect(200);

    assert_eq!(
        (&item["status"], &item["tasksTotal"], &item["spec"]),
        (&json!("queued"), &json!(2), &json!(SPEC))
    );
    assert_eq!(world.put(&path, &json!({ "spec": SPEC })).await.expect(200), item);
    let other = SPEC.replace("world", "moon");
    assert_eq!(
        world
            .put(&path, &json!({ "spec": other }))
            .await
            .expect_error(409),
        "wrong_state"
    );
    assert_eq!(world.item(id).await["spec"], SPEC);
    assert!(world.claim().await.is_some());
}

#[tokio::test]
async fn a_generated_spec_has_to_keep_every_convention() {
    let world = World::new().await;
    let id = generating(&world).await;
    let spec = "# Fix it\n\n- [ ] Change the check at auth.ts:42\n- [ ] Run `npm install left-pad`\n";

    let refused = world
        .put(&format!("/api/work/{id}/spec"), &json!({ "spec": spec }))
        .await
        .expect(400);

    assert_eq!(refused["details"]["field"], "spec");
    let violations = refused["details"]["violations"].as_array().unwrap();
    assert!(
        violations
            .iter()
            .any(|text| text.as_str().unwrap().starts_with("line 3: ")),
        "{violations:?}"
    );
    assert_eq!(world.status(id).await, "generating");
}

#[tokio::test]
async fn a_spec_that_can_be_tried_again_is_put_off_longer_each_time() {
    let world = World::with(&[("RETRY_DELAYS", "100,10000")]).await;
    let id = generating(&world).await;
    let failed = json!({ "reason": "The model API is overloaded.", "retryable": true });

    let mut waits = Vec::new();
    for _ in 0..3 {
        let item = world
            .post(&format!("/api/work/{id}/spec/fail"), &failed)
            .await
            .expect(200);
        assert_eq!(
            (&item["status"], &item["retries"]),
            (&json!("generating"), &json!(0))
        );
        assert_eq!(item["error"], "The model API is overloaded.");
        assert_ne!(item["nextRetryAt"], Value::Null);
        waits.push(
            world
                .number("select extract(epoch from next_retry_at - now())::bigint from work_items")
                .await,
        );
    }

    // The delays are spread over half to one and a half times their length.
    assert!((49..=151).contains(&waits[0]), "{waits:?}");
    assert!(
        waits[1..].iter().all(|wait| (4_999..=15_001).contains(wait)),
        "{waits:?}"
    );
    let page = world.get("/api/work?status=generating").await.expect(200);
    assert_ne!(
        page["items"][0]["nextRetryAt"],
        Value::Null,
        "who writes specs can tell it from due ones"
    );
    let item = world
        .put(&format!("/api/work/{id}/spec"), &json!({ "spec": SPEC }))
        .await
        .expect(200);
    assert_eq!(
        (&item["nextRetryAt"], &item["error"]),
        (&Value::Null, &Value::Null),
        "early is fine"
    );
}

#[tokio::test]
async fn an_item_for_which_no_spec_can_be_written_has_failed() {
    let world = World::new().await;
    let id = generating(&world).await;
    let path = format!("/api/work/{id}/spec/fail");
    let failed = json!({ "reason": "It does not say what to greet.", "retryable": false });

    let item = world.post(&path, &failed).await.expect(200);

    assert_eq!(
        (&item["status"], &item["failureCause"]),
        (&json!("failed"), &json!("spec_unusable"))
    );
    assert_eq!(item["error"], "It does not say what to greet.");
    assert_eq!(world.post(&path, &failed).await.expect(200), item);
    assert_eq!(
        world
            .put(&format!("/api/work/{id}/spec"), &json!({ "spec": SPEC }))
            .await
            .expect_error(409),
        "wrong_state"
    );

    let queued = world.submit().await;
    let refused = world
        .post(&format!("/api/work/{queued}/spec/fail"), &failed)
        .await;
    assert_eq!(refused.expect_error(409), "wrong_state");
}

#[tokio::test]
async fn pages_show_the_newest_first_and_fit_together() {
    let world = World::new().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.submit().await);
    }
    made.reverse();

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.get(&format!("/api/work?limit=2{cursor}")).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        assert!(
            items.iter().all(|item| item.get("spec").is_none()),
            "lists have no wide texts"
        );
        seen.extend(items.iter().map(id_of));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn items_are_found_by_what_is_known_of_them() {
    let world = World::new().await;
    let body = |repo: &str, reference: &str, priority: &str| json!({ "repo": repo, "spec": SPEC, "source": "github", "sourceRef": reference, "priority": priority });
    let first = id_of(
        &world
            .post("/api/work", &body("octocat/hello", "1", "low"))
            .await
            .expect(201),
    );
    let second = id_of(
        &world
            .post("/api/work", &body("octocat/other", "1", "high"))
            .await
            .expect(201),
    );
    world
        .post(&format!("/api/work/{first}/cancel"), &json!({}))
        .await
        .expect(200);

    for (query, expected) in [
        ("status=queued", vec![second]),
        ("status=cancelled", vec![first]),
        ("repo=Octocat/Hello&source=github&sourceRef=1", vec![first]),
        ("sourceRef=1", vec![second, first]),
        ("priority=high", vec![second]),
        ("source=api", vec![]),
    ] {
        let page = world.get(&format!("/api/work?{query}")).await.expect(200);
        let found: Vec<_> = page["items"].as_array().unwrap().iter().map(id_of).collect();
        assert_eq!(found, expected, "{query}");
    }
    for (query, field) in [
        ("status=done", "status"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("repo=hello", "repo"),
        ("colour=red", "colour"),
    ] {
        assert_eq!(
            world
                .get(&format!("/api/work?{query}"))
                .await
                .expect_refused_field(),
            field
        );
    }
}

#[tokio::test]
async fn the_queue_is_shown_in_the_order_in_which_it_will_be_taken() {
    let world = World::new().await;
    let submit = async |priority: &str| {
        let body = json!({ "repo": "octocat/hello", "spec": SPEC, "priority": priority });
        id_of(&world.post("/api/work", &body).await.expect(201))
    };
    // This one waits for its next attempt: last, however urgent.
    let waiting = submit("critical").await;
    let worker = world.start_worker().await;
    world.call(&worker, "fail", &fail("crash")).await.expect(200);
    let (low, medium) = (submit("low").await, submit("medium").await);
    let (critical, late_medium) = (submit("critical").await, submit("medium").await);

    let queue = world.get("/api/queue").await.expect(200);

    let shown: Vec<_> = queue["items"].as_array().unwrap().iter().map(id_of).collect();
    assert_eq!(shown, [critical, medium, late_medium, low, waiting]);
    assert_eq!(
        (&queue["byStatus"]["queued"], &queue["byStatus"]["completed"]),
        (&json!(5), &json!(0))
    );
    assert_eq!(
        (&queue["byPriority"]["critical"], &queue["byPriority"]["high"]),
        (&json!(2), &json!(0))
    );
    let mut paged = Vec::new();
    let mut cursor = String::new();
    while paged.len() < 5 {
        let page = world
            .get(&format!("/api/queue?limit=1{cursor}"))
            .await
            .expect(200);
        paged.push(id_of(&page["items"][0]));
        cursor = format!("&cursor={}", paged[paged.len() - 1]);
    }
    assert_eq!(paged, shown);
    let mut taken = Vec::new();
    while let Some(worker) = world.claim().await {
        taken.push(worker.item);
    }
    assert_eq!(taken, shown[..4]);
}

#[tokio::test]
async fn an_item_that_is_not_there_is_not_found() {
    let world = World::new().await;
    let id = WorkItemId::new();
    assert_eq!(
        world.get(&format!("/api/work/{id}")).await.expect_error(404),
        "not_found"
    );
    for (route, body) in [
        ("cancel", json!({})),
        ("requeue", json!({})),
        ("spec/fail", json!({ "reason": "x", "retryable": true })),
    ] {
        assert_eq!(
            world
                .post(&format!("/api/work/{id}/{route}"), &body)
                .await
                .expect_error(404),
            "not_found"
        );
    }
    assert_eq!(
        world
            .put(&format!("/api/work/{id}/spec"), &json!({ "spec": SPEC }))
            .await
            .expect_error(404),
        "not_found"
    );
    assert_eq!(world.get("/api/work/7").await.expect_refused_field(), "id");
}
