//! Specs: requested, corrected, deferred, failed, submitted.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use whim_core::{FailureCause, WorkItemStatus};
use whim_testkit::anthropic::{ApiError, Fault, RequestKind, SpecScript};
use whim_testkit::orchestrator::ModelBreaker;

use crate::logs::Logs;
use crate::world::{REPO, World};

const GOOD: &str = "# Say hello\n\n## Tasks\n- [ ] A greeting is shown\n";
/// Violates two conventions.
const BAD: &str = "# Say hello\n\n## Tasks\n- [ ] Run `npm install zod`\n- [ ] Fix auth.ts:42\n";

async fn with_model(script: SpecScript) -> World {
    let mut world = World::new().await;
    world.anthropic.when_spec_request_contains("Say hello", script);
    world.start();
    world
}

fn texts(texts: &[&str]) -> SpecScript {
    SpecScript::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// The messages of each request.
fn conversations(world: &World) -> Vec<Vec<String>> {
    let requests = world.anthropic.requests();
    let turns = |body: &Value| {
        let messages = body["messages"].as_array().unwrap().iter();
        messages
            .map(|message| message["content"].as_str().unwrap().to_owned())
            .collect()
    };
    requests.iter().map(|request| turns(&request.body)).collect()
}

#[tokio::test]
async fn violations_are_sent_back_to_the_model_and_corrected() {
    let world = with_model(texts(&[BAD, GOOD])).await;
    let issue = world.create_issue("Say hello");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(item.spec.as_deref(), Some(GOOD));
    let conversations = conversations(&world);
    assert_eq!(conversations.len(), 2);
    assert_eq!(conversations[1][0], conversations[0][0]);
    assert_eq!(conversations[1][1], BAD);
    insta::assert_snapshot!(conversations[1][2]);
}

#[tokio::test]
async fn after_three_rounds_the_item_fails_with_the_violations() {
    let world = with_model(texts(&[BAD])).await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.spec_requests(), 3);
    let item = world.item(issue).unwrap();
    assert_eq!(item.status, WorkItemStatus::Failed);
    insta::assert_snapshot!(item.error.unwrap());
    assert_eq!(world.run_posted(issue), Some(1));
}

#[tokio::test]
async fn a_reason_of_any_length_is_submitted() {
    let long: String = (0..100)
        .map(|number| format!("- [ ] Run `npm install {}{number}`\n", "x".repeat(300)))
        .collect();
    let world = with_model(texts(&[&format!("# Say hello\n\n{long}")])).await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.spec_requests(), 3);
}

#[tokio::test]
async fn a_refusal_of_the_model_fails_the_item_at_once() {
    let world = with_model(SpecScript::Refuses("I cannot help with that.".to_owned())).await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.spec_requests(), 1);
    let comment = world.comments(issue).remove(0).body;
    assert!(
        comment.contains("the model gave no usable answer: it refused"),
        "{comment}"
    );
}

#[tokio::test]
async fn a_checklist_without_a_title_gets_the_title_of_the_issue() {
    let world = with_model(texts(&["```markdown\n- [ ] A greeting is shown\n```"])).await;
    let issue = world.create_issue("Say hello");
    let item = world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(
        item.spec.as_deref(),
        Some("# Say hello\n\n- [ ] A greeting is shown\n")
    );
    assert_eq!(world.spec_requests(), 1);
}

#[tokio::test]
async fn a_spec_is_deferred_while_the_model_api_is_overloaded_and_then_written() {
    for status in [429, 500, 529] {
        let world = with_model(SpecScript::Fault(Fault::Error(ApiError {
            status,
            times: Some(1),
            retry_after: Some(Duration::from_secs(60)),
        })))
        .await;
        let issue = world.create_issue("Say hello");
        world
            .until("the spec to be deferred", |world| {
                let item = world.item(issue);
                item.is_some_and(|item| item.next_retry_at.is_some())
            })
            .await;
        world.until_polled_twice().await;
        assert_eq!(world.spec_requests(), 1, "{status}");
        assert_eq!(world.labels(issue), ["whim", "ai-processing"]);
        world.orchestrator.release_retries();
        world.until_status(issue, WorkItemStatus::Queued).await;
        assert_eq!(world.spec_requests(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_failure_of_the_model_api_is_reported_with_its_cause_and_reset_time() {
    for (status, cause, retry_after_seconds) in [
        (429, Some(FailureCause::ModelLimited), Some(60)),
        (529, Some(FailureCause::ModelUnavailable), None),
        (401, Some(FailureCause::ModelRefused), None),
        (404, Some(FailureCause::ModelRefused), None),
    ] {
        let world = with_model(SpecScript::Fault(Fault::Error(ApiError {
            status,
            times: Some(1),
            retry_after: Some(Duration::from_secs(60)),
        })))
        .await;
        world.create_issue("Say hello");
        world
            .until("the failure", |world| {
                !world.orchestrator.spec_failures().is_empty()
            })
            .await;
        let failure = world.orchestrator.spec_failures().remove(0);
        assert_eq!(
            (failure.cause, failure.retry_after_seconds, failure.retryable),
            (cause, retry_after_seconds, true),
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_text_that_the_model_api_rejects_three_times_fails_and_the_issue_says_why() {
    let world = with_model(SpecScript::Fault(Fault::Error(ApiError::always(400)))).await;
    let issue = world.create_issue("Say hello");
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    assert_eq!(world.spec_requests(), 3);
    let comment = world.comments(issue).remove(0).body;
    assert!(comment.contains("the model API rejected the text"), "{comment}");
}

#[tokio::test]
async fn a_text_that_is_rejected_once_gets_its_spec() {
    let rejected = ApiError {
        status: 400,
        times: Some(2),
        retry_after: None,
    };
    let world = with_model(SpecScript::Fault(Fault::Error(rejected))).await;
    let issue = world.create_issue("Say hello");
    world.until_status(issue, WorkItemStatus::Queued).await;
}

#[tokio::test]
async fn while_the_breaker_of_the_model_is_open_only_the_probe_is_written() {
    let mut world = World::new().await;
    world.orchestrator.set_model_breaker(ModelBreaker::Open);
    world.start();
    let issues: Vec<u64> = (0..5)
        .map(|number| world.create_issue(&format!("Issue {number}")))
        .collect();
    for issue in &issues {
        world.until_labelled(*issue, &["whim", "ai-processing"]).await;
    }
    let explained = |world: &World| {
        world
            .orchestrator
            .count_requests(&Method::GET, "/api/work/{id}/explain")
    };
    let before = explained(&world);
    world
        .until("polls that find the breaker open", |world| {
            explained(world) > before + 10
        })
        .await;
    assert_eq!(world.spec_requests(), 0);

    let first = world.item(issues[0]).unwrap();
    world
        .orchestrator
        .set_model_breaker(ModelBreaker::HalfOpen(first.id));
    world.until_status(issues[0], WorkItemStatus::Queued).await;
    let before = explained(&world);
    world
        .until("polls that find the breaker open", |world| {
            explained(world) > before + 10
        })
        .await;
    assert_eq!(world.spec_requests(), 1);

    world.orchestrator.set_model_breaker(ModelBreaker::Closed);
    for issue in issues {
        world.until_status(issue, WorkItemStatus::Queued).await;
    }
    assert_eq!(world.spec_requests(), 5);
}

#[tokio::test]
async fn a_timeout_of_the_model_api_defers_the_spec() {
    let mut world = World::new().await;
    world.set("SPEC_TIMEOUT_SECONDS", "0.2");
    world
        .anthropic
        .when_spec_request_contains("Say hello", SpecScript::Fault(Fault::NoAnswer));
    world.start();
    let issue = world.create_issue("Say hello");
    world
        .until("the spec to be deferred", |world| {
            let item = world.item(issue);
            item.is_some_and(|item| item.next_retry_at.is_some())
        })
        .await;
    let item = world.item(issue).unwrap();
    assert_eq!(item.status, WorkItemStatus::Generating);
    let error = item.error.unwrap();
    assert!(error.contains("reaching the model API"), "{error}");
    let failure = world.orchestrator.spec_failures().remove(0);
    assert_eq!(failure.cause, None, "a timeout may be due to this request");
    assert!(!error.contains(&world.anthropic.url()), "{error}");
}

#[tokio::test]
async fn a_refused_key_is_logged_with_the_settings_to_check() {
    let logs = Logs::capture();
    let mut world = World::new().await;
    world.set("ANTHROPIC_API_KEY", "sk-ant-wrong");
    world.start();
    let issue = world.create_issue("Say hello");
    world
        .until("the spec to be deferred", |world| {
            let item = world.item(issue);
            item.is_some_and(|item| item.next_retry_at.is_some())
        })
        .await;
    let errors = logs.of_levels(&["ERROR"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors[0]["error"].as_str().unwrap();
    assert!(
        error.contains("check ANTHROPIC_API_KEY, SPEC_MODEL and ANTHROPIC_BASE_URL"),
        "{error}"
    );
    assert!(!error.contains("sk-ant-wrong"), "{error}");
    world.until_polled_twice().await;
    world.until_examined().await;
    // Of the spec, and of that report.
    assert_eq!(world.anthropic.violations().len(), 2);
}

#[tokio::test]
async fn a_spec_is_started_as_soon_as_its_issue_is_submitted() {
    let mut world = World::new().await;
    world.spec_period = Some(Duration::from_secs(3600));
    world.start();
    world.until_polled_twice().await;
    let issue = world.create_issue("Say hello");
    world.until_status(issue, WorkItemStatus::Queued).await;
}

#[tokio::test]
async fn items_of_other_sources_get_their_specs() {
    let world = World::running().await;
    let submitted = world.submit(json!({
        "repo": REPO, "description": "Say hello\n\n- A greeting", "source": "api",
    }));
    world
        .until("the spec", |world| {
            let items = world.orchestrator.items();
            items[0].id == submitted.id && items[0].status == WorkItemStatus::Queued
        })
        .await;
}

#[tokio::test]
async fn specs_are_written_by_priority_and_age() {
    let mut world = World::new().await;
    world.set("SPEC_CONCURRENCY", "1");
    world.set("POLL_INTERVAL", "60000");
    for number in 0..250 {
        world.submit(json!({
            "repo": REPO, "description": format!("Request {number}."),
            "priority": if number == 249 { "high" } else { "medium" },
        }));
    }
    world.start();
    world
        .until("all specs", |world| {
            let items = world.orchestrator.items();
            items.iter().all(|item| item.status == WorkItemStatus::Queued)
        })
        .await;
    let requests = world.anthropic.requests();
    assert_eq!(requests.len(), 250);
    let of_request =
        |index: usize, number: usize| requests[index].text.contains(&format!("Request {number}."));
    assert!(of_request(0, 249));
    assert!((1..250).all(|index| of_request(index, index - 1)));
}

#[tokio::test]
async fn the_spec_of_an_item_that_was_cancelled_meanwhile_is_dropped() {
    let world = with_model(SpecScript::Fault(Fault::Delay(Duration::from_millis(500)))).await;
    let issue = world.create_issue("Say hello");
    world
        .until("the request", |world| world.spec_requests() == 1)
        .await;
    world.until_labelled(issue, &["whim", "ai-processing"]).await;
    world.end_run(
        issue,
        WorkItemStatus::Cancelled,
        json!({"error": "Cancelled by ada"}),
    );
    world.until_labelled(issue, &["whim", "ai-failed"]).await;
    world
        .until("the spec to be submitted", |world| {
            world
                .orchestrator
                .count_requests(&Method::PUT, "/api/work/{id}/spec")
                == 1
        })
        .await;
    world.until_polled_twice().await;
    let item = world.item(issue).unwrap();
    assert_eq!((item.status, item.spec), (WorkItemStatus::Cancelled, None));
    assert_eq!(world.spec_requests(), 1);
}

#[tokio::test]
async fn a_spec_is_submitted_again_until_the_orchestrator_is_available() {
    let world = with_model(SpecScript::Fault(Fault::Delay(Duration::from_millis(500)))).await;
    let issue = world.create_issue("Say hello");
    world
        .until("the request", |world| world.spec_requests() == 1)
        .await;
    world.take_orchestrator_down();
    world
        .until("attempts to submit it", |world| {
            // More attempts than the client makes for one call.
            world
                .orchestrator
                .count_requests(&Method::PUT, "/api/work/{id}/spec")
                > 4
        })
        .await;
    world.bring_orchestrator_up();
    world.until_status(issue, WorkItemStatus::Queued).await;
    assert_eq!(world.spec_requests(), 1);
}

#[tokio::test]
async fn a_request_has_the_system_prompt_and_the_configured_model() {
    let mut world = World::new().await;
    world.set("SPEC_MODEL", "claude-test-model");
    world.start();
    let issue = world.create_issue("Say hello");
    world.until_status(issue, WorkItemStatus::Queued).await;
    let request = world.anthropic.requests().remove(0);
    assert_eq!(request.kind, RequestKind::Spec);
    assert_eq!(request.model, "claude-test-model");
    let system = request.body["system"].as_str().unwrap();
    assert!(system.contains("checklist named SPEC.md"), "{system}");
    assert_eq!(request.body.get("stream"), None);
}
