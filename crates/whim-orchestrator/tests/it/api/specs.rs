//! Generated specs.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::Body;
use axum::http::Method;
use axum::http::header::USER_AGENT;
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use whim_core::WorkItemId;

use crate::world::{SPEC, World, id_of, request};

async fn generating(world: &World) -> WorkItemId {
    world.app.intake_activity.set(Utc::now()).await.unwrap();
    let body = json!({ "repo": "octocat/hello", "description": "Say hello." });
    id_of(&world.post("/api/work", &body).await.expect(201))
}

#[tokio::test]
async fn a_requeued_item_without_a_spec_gets_one_generated() {
    let world = World::new().await;
    let id = generating(&world).await;
    let failed = json!({ "run": 1, "reason": "It does not say what to greet.", "retryable": false });
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
async fn a_requeued_item_with_another_description_gets_a_new_spec() {
    let world = World::new().await;
    let id = generating(&world).await;
    let requeue = format!("/api/work/{id}/requeue");
    world
        .put(
            &format!("/api/work/{id}/spec"),
            &json!({ "run": 1, "spec": SPEC }),
        )
        .await
        .expect(200);
    let cancel = format!("/api/work/{id}/cancel");
    world.post(&cancel, &json!({})).await.expect(200);

    let same = json!({ "description": "Say hello." });
    let resumed = world.post(&requeue, &same).await.expect(200);
    assert_eq!(
        (&resumed["status"], &resumed["spec"]),
        (&json!("queued"), &json!(SPEC)),
        "the description has not changed"
    );

    world.post(&cancel, &json!({})).await.expect(200);
    let changed = json!({ "description": "Say goodbye." });
    let rewritten = world.post(&requeue, &changed).await.expect(200);
    assert_eq!(
        (&rewritten["status"], &rewritten["description"], &rewritten["run"]),
        (&json!("generating"), &json!("Say goodbye."), &json!(3))
    );
    assert_eq!(
        (&rewritten["spec"], &rewritten["tasksTotal"]),
        (&Value::Null, &json!(0))
    );
    assert_eq!(rewritten["branch"], resumed["branch"], "the pushed head is kept");
}

/// An item that was cancelled and requeued with another description: run 2 waits for a spec.
async fn requeued_with_another_description(world: &World) -> WorkItemId {
    let id = generating(world).await;
    world
        .post(&format!("/api/work/{id}/cancel"), &json!({}))
        .await
        .expect(200);
    let requeued = world
        .post(
            &format!("/api/work/{id}/requeue"),
            &json!({ "description": "Say goodbye." }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&requeued["status"], &requeued["run"]),
        (&json!("generating"), &json!(2))
    );
    id
}

#[tokio::test]
async fn a_spec_that_was_written_for_an_earlier_run_is_refused() {
    let world = World::new().await;
    let id = requeued_with_another_description(&world).await;
    let path = format!("/api/work/{id}/spec");

    for run in [1, 3] {
        let refused = world
            .put(&path, &json!({ "run": run, "spec": SPEC }))
            .await
            .expect(409);
        assert_eq!(
            (&refused["code"], &refused["details"]),
            (
                &json!("wrong_state"),
                &json!({ "status": "generating", "run": 2 })
            ),
            "run {run}"
        );
    }
    let item = world.item(id).await;
    assert_eq!(
        (&item["status"], &item["spec"]),
        (&json!("generating"), &Value::Null)
    );

    let current = json!({ "run": 2, "spec": SPEC });
    assert_eq!(world.put(&path, &current).await.expect(200)["status"], "queued");
    let late = world.put(&path, &json!({ "run": 1, "spec": SPEC })).await;
    assert_eq!(
        late.expect_error(409),
        "wrong_state",
        "also when the texts happen to be the same"
    );
}

#[tokio::test]
async fn a_failed_generation_of_an_earlier_run_neither_fails_nor_defers_the_current_one() {
    let world = World::new().await;
    let id = requeued_with_another_description(&world).await;
    let before = world.item(id).await;

    for retryable in [false, true] {
        let late = json!({ "run": 1, "reason": "The model API is overloaded.", "retryable": retryable, "cause": retryable.then_some("model_unavailable") });
        let refused = world.post(&format!("/api/work/{id}/spec/fail"), &late).await;
        assert_eq!(refused.expect_error(409), "wrong_state", "{retryable}");
    }

    assert_eq!(world.item(id).await, before);
    assert_eq!(world.number("select count(*) from breakers").await, 0);
}

#[tokio::test]
async fn a_spec_without_a_run_is_refused() {
    let world = World::new().await;
    let id = generating(&world).await;
    let spec = world
        .put(&format!("/api/work/{id}/spec"), &json!({ "spec": SPEC }))
        .await;
    assert_eq!(spec.expect_refused_field(), "run");
    let failure = json!({ "reason": "It does not say what to greet.", "retryable": false });
    let failure = world.post(&format!("/api/work/{id}/spec/fail"), &failure).await;
    assert_eq!(failure.expect_refused_field(), "run");
}

#[tokio::test]
async fn a_submitted_spec_queues_its_item_and_may_be_submitted_again() {
    let world = World::new().await;
    let id = generating(&world).await;
    let path = format!("/api/work/{id}/spec");

    let item = world
        .put(&path, &json!({ "run": 1, "spec": SPEC }))
        .await
        .expect(200);

    assert_eq!(
        (&item["status"], &item["tasksTotal"], &item["spec"]),
        (&json!("queued"), &json!(2), &json!(SPEC))
    );
    assert_eq!(
        world
            .put(&path, &json!({ "run": 1, "spec": SPEC }))
            .await
            .expect(200),
        item
    );
    let other = SPEC.replace("world", "moon");
    assert_eq!(
        world
            .put(&path, &json!({ "run": 1, "spec": other }))
            .await
            .expect_error(409),
        "wrong_state"
    );
    assert_eq!(world.item(id).await["spec"], SPEC);
    assert!(world.claim().await.is_some());
}

#[tokio::test]
async fn an_item_counts_as_queued_from_the_submission_of_its_spec() {
    let world = World::new().await;
    let id = generating(&world).await;
    sqlx::query(
        "update work_items set queued_at = now() - interval '1 hour', created_at = now() - interval '1 hour'",
    )
    .execute(&world.pool)
    .await
    .unwrap();

    world
        .put(
            &format!("/api/work/{id}/spec"),
            &json!({ "run": 1, "spec": SPEC }),
        )
        .await
        .expect(200);

    let waited = world
        .number("select extract(epoch from now() - queued_at)::bigint from work_items")
        .await;
    assert!(
        waited < 600,
        "{waited} s: generating the spec does not count as queue wait"
    );
}

#[tokio::test]
async fn a_rate_limit_during_spec_generation_opens_the_breaker_and_one_spec_probes_it() {
    let world = World::new().await;
    let (first, second) = (generating(&world).await, generating(&world).await);
    let third = generating(&world).await;
    let queued = world.submit().await;
    let reason_code = async |id: WorkItemId| {
        let explained = world.get(&format!("/api/work/{id}/explain")).await.expect(200);
        explained["reasonCode"].as_str().unwrap().to_owned()
    };
    assert_eq!(reason_code(first).await, "spec_missing");

    let failed = json!({
        "run": 1, "reason": "The model API limits us (429).", "retryable": true, "cause": "model_limited",
        "retryAfterSeconds": 3600,
    });
    let item = world
        .post(&format!("/api/work/{first}/spec/fail"), &failed)
        .await
        .expect(200);

    let status = world.get("/api/status").await.expect(200);
    let breaker = &status["breakers"][0];
    assert_eq!(
        (&breaker["subject"], &breaker["cause"], &breaker["hasFixedExpiry"]),
        (&json!("model"), &json!("model_limited"), &json!(true)),
        "{status:#}"
    );
    assert!(
        item["nextRetryAt"].as_str() <= breaker["retryAt"].as_str(),
        "{item:#}"
    );
    assert_eq!(item["failureCause"], "model_limited");
    let left = "select extract(epoch from retry_at - now())::bigint from breakers";
    assert!((3590..=3661).contains(&world.number(left).await));
    for id in [second, third, queued] {
        assert_eq!(reason_code(id).await, "model_unavailable");
    }

    // A spec whose generation started before the limit does not close the breaker.
    let submit_spec = async |id: WorkItemId| {
        let path = format!("/api/work/{id}/spec");
        world
            .put(&path, &json!({ "run": 1, "spec": SPEC }))
            .await
            .expect(200);
    };
    submit_spec(third).await;
    assert_eq!(reason_code(second).await, "model_unavailable");

    // The breaker is half-open: the oldest item without a spec probes it.
    sqlx::query("update breakers set retry_at = now(), has_fixed_expiry = false")
        .execute(&world.pool)
        .await
        .unwrap();
    world.release_due_retries().await;
    assert_eq!(reason_code(first).await, "spec_missing");
    assert_eq!(reason_code(second).await, "model_unavailable");
    submit_spec(first).await;
    assert_eq!(reason_code(second).await, "spec_missing");
    let status = world.get("/api/status").await.expect(200);
    assert_eq!(status["breakers"], json!([]));
}

#[tokio::test]
async fn a_missing_spec_is_explained_by_an_intake_that_does_not_call() {
    let world = World::new().await;
    let id = generating(&world).await;
    let explain = async || {
        let path = format!("/api/work/{id}/explain");
        world.get(&path).await.expect(200)
    };
    let warnings = async || world.get("/api/status").await.expect(200)["warnings"].to_string();
    assert_eq!(explain().await["reasonCode"], "spec_missing");
    assert!(!warnings().await.contains("intake"));

    let long_ago = Utc::now() - TimeDelta::minutes(10);
    world.app.intake_activity.set(long_ago).await.unwrap();

    let explained = explain().await;
    assert_eq!(explained["reasonCode"], "intake_unavailable", "{explained:#}");
    let since = long_ago.format("The intake has not called since %Y-%m-%d %H:%M UTC");
    assert!(
        explained["explanation"]
            .as_str()
            .unwrap()
            .starts_with(&since.to_string()),
        "{explained:#}"
    );
    assert!(warnings().await.contains(&since.to_string()));

    // Only calls of the intake count.
    let call = async |agent: &str| {
        let request = request(Method::GET, "/api/work").header(USER_AGENT, agent);
        world.send(request.body(Body::empty()).unwrap()).await.expect(200)
    };
    call("curl/8.5").await;
    assert_eq!(explain().await["reasonCode"], "intake_unavailable");
    call("whim-intake").await;
    assert_eq!(explain().await["reasonCode"], "spec_missing");
    assert!(!warnings().await.contains("intake"));
}

#[tokio::test]
async fn a_silent_intake_is_no_warning_while_no_item_waits_for_a_spec() {
    let world = World::new().await;
    let long_ago = Utc::now() - TimeDelta::minutes(10);
    world.app.intake_activity.set(long_ago).await.unwrap();
    world.submit().await;
    assert_eq!(world.get("/api/status").await.expect(200)["warnings"], json!([]));
}

#[tokio::test]
async fn only_failures_of_the_model_api_open_its_breaker() {
    let world = World::new().await;
    let id = generating(&world).await;
    let path = format!("/api/work/{id}/spec/fail");
    for (cause, retryable) in [
        ("crash", true),
        ("github_refused", true),
        ("model_refused", false),
    ] {
        let failed = json!({ "run": 1, "reason": "It broke.", "retryable": retryable, "cause": cause });
        let refused = world.post(&path, &failed).await;
        assert_eq!(refused.expect_refused_field(), "cause", "{cause}");
    }
    let slow = json!({ "run": 1, "reason": "One answer took too long.", "retryable": true });
    world.post(&path, &slow).await.expect(200);
    assert_eq!(world.number("select count(*) from breakers").await, 0);
}

#[tokio::test]
async fn a_generated_spec_has_to_keep_every_convention() {
    let world = World::new().await;
    let id = generating(&world).await;
    let spec = "# Fix it\n\n- [ ] Change the check at auth.ts:42\n- [ ] Run `npm install left-pad`\n";

    let refused = world
        .put(
            &format!("/api/work/{id}/spec"),
            &json!({ "run": 1, "spec": spec }),
        )
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
async fn a_deferred_spec_backs_off_longer_each_time() {
    let world = World::with(&[("RETRY_DELAYS_SECONDS", "100,10000")]).await;
    let id = generating(&world).await;
    let failed = json!({ "run": 1, "reason": "The model API is overloaded.", "retryable": true });

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
        "the intake can distinguish it from due ones"
    );
    let item = world
        .put(
            &format!("/api/work/{id}/spec"),
            &json!({ "run": 1, "spec": SPEC }),
        )
        .await
        .expect(200);
    assert_eq!(
        (&item["nextRetryAt"], &item["error"]),
        (&Value::Null, &Value::Null),
        "a spec before the end of the backoff is accepted"
    );
}

#[tokio::test]
async fn an_item_for_which_no_spec_can_be_written_has_failed() {
    let world = World::new().await;
    let id = generating(&world).await;
    let path = format!("/api/work/{id}/spec/fail");
    let failed = json!({ "run": 1, "reason": "It does not say what to greet.", "retryable": false });

    let item = world.post(&path, &failed).await.expect(200);

    assert_eq!(
        (&item["status"], &item["failureCause"]),
        (&json!("failed"), &json!("spec_unusable"))
    );
    assert_eq!(item["error"], "It does not say what to greet.");
    assert_eq!(world.post(&path, &failed).await.expect(200), item);
    assert_eq!(
        world
            .put(
                &format!("/api/work/{id}/spec"),
                &json!({ "run": 1, "spec": SPEC })
            )
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
