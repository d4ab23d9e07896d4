//! The fake orchestrator, compared with the document and the state table of the real one.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose requests cannot be sent has failed"
)]

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::worker::Registered;
use whim_core::{WorkItemId, WorkItemStatus, WorkerId};
use whim_testkit::orchestrator::{Fault, FinalReport, ModelBreaker, Orchestrator, ViolationKind};
use whim_testkit::wait::wait_until;

const TOKEN: &str = "the-token-of-the-worker";
const SPEC: &str = "# Hello\n\n## Tasks\n- [ ] A greeting is shown\n";
const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    body: Value,
}

fn client() -> Client {
    // A second test in the same process finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::new()
}

/// Sends with a credential; a body is JSON.
async fn send(
    orchestrator: &Orchestrator,
    credential: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Reply {
    let mut request = client()
        .request(method, format!("{}{path}", orchestrator.url()))
        .bearer_auth(credential)
        .header("x-whim-protocol", "1");
    if let Some(body) = &body {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    Reply {
        status: response.status(),
        body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
    }
}

async fn api(orchestrator: &Orchestrator, method: Method, path: &str, body: Option<Value>) -> Reply {
    send(orchestrator, Orchestrator::API_KEY, method, path, body).await
}

async fn worker(orchestrator: &Orchestrator, path: &str, body: Value) -> Reply {
    let path = format!("/api/worker/{path}");
    send(orchestrator, TOKEN, Method::POST, &path, Some(body)).await
}

fn registered() -> Registered {
    serde_json::from_value(json!({
        "workerId": WorkerId::new(),
        "workItem": {
            "id": WorkItemId::new(), "leaseEpoch": 1, "repo": "acme/shop", "branch": "whim/7-hello", "spec": SPEC,
            "headSha": null, "attempt": 1, "metadata": {},
        },
        "leaseSeconds": 60, "maxIterations": 9,
    }))
    .unwrap()
}

/// With an attempt whose worker has registered.
async fn with_running_worker() -> (Orchestrator, WorkerId) {
    let orchestrator = Orchestrator::start();
    let assignment = registered();
    let id = assignment.worker_id;
    orchestrator.assign(assignment, TOKEN);
    let reply = worker(&orchestrator, "register", json!({"workerId": id, "nonce": "one"})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    (orchestrator, id)
}

fn completion() -> Value {
    json!({
        "prUrl": "https://github.com/acme/shop/pull/8", "prNumber": 8, "headSha": HEAD,
        "spec": SPEC.replace("[ ]", "[x]"), "iterations": 2,
    })
}

/// Dropping the fake checks that the document allows all of these requests and responses.
#[tokio::test]
async fn every_route_is_one_of_the_document() {
    let orchestrator = Orchestrator::start();
    let submission = json!({
        "repo": "acme/shop", "description": "Say hello", "source": "github", "sourceRef": "7",
    });
    let created = api(&orchestrator, Method::POST, "/api/work", Some(submission.clone())).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let again = api(&orchestrator, Method::POST, "/api/work", Some(submission)).await;
    assert_eq!((again.status, &again.body), (StatusCode::OK, &created.body));
    let item = format!("/api/work/{}", created.body["id"].as_str().unwrap());
    for (method, path, body) in [
        (Method::GET, String::new(), None),
        (Method::GET, "/explain".to_owned(), None),
        (
            Method::POST,
            "/spec/fail".to_owned(),
            Some(json!({"reason": "The model is overloaded", "retryable": true, "run": 1})),
        ),
        (Method::GET, "/explain".to_owned(), None),
        (
            Method::PUT,
            "/spec".to_owned(),
            Some(json!({"spec": SPEC, "run": 1})),
        ),
        (Method::GET, "/explain".to_owned(), None),
        (Method::POST, "/cancel".to_owned(), Some(json!({"reason": "no"}))),
        (Method::POST, "/requeue".to_owned(), None),
    ] {
        let reply = api(&orchestrator, method.clone(), &format!("{item}{path}"), body).await;
        assert_eq!(reply.status, 200, "{method} {path}: {reply:?}");
    }
    let page = api(
        &orchestrator,
        Method::GET,
        "/api/work?status=queued&repo=acme/shop&source=github&sourceRef=7&priority=medium&limit=1",
        None,
    )
    .await;
    assert_eq!(page.body["items"].as_array().unwrap().len(), 1, "{page:?}");

    let (orchestrator, id) = with_running_worker().await;
    for (path, body) in [
        ("heartbeat", json!({"seq": 1, "spec": SPEC, "headSha": HEAD})),
        ("lock", json!({"files": ["greeting.txt"]})),
        ("complete", completion()),
    ] {
        let reply = worker(&orchestrator, &format!("{id}/{path}"), body).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    for (path, body) in [
        ("fail", json!({"cause": "tests_failed", "reason": "red"})),
        ("stuck", json!({"reason": "no progress"})),
    ] {
        let (orchestrator, id) = with_running_worker().await;
        let unlock = worker(&orchestrator, &format!("{id}/unlock"), json!({"files": ["a"]})).await;
        assert_eq!(unlock.status, StatusCode::NO_CONTENT);
        let reply = worker(&orchestrator, &format!("{id}/{path}"), body).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn requests_that_are_not_in_the_document_are_refused_and_recorded() {
    let orchestrator = Orchestrator::start();
    let work = "/api/work";
    let valid = json!({"repo": "acme/shop", "description": "Say hello"});
    for (method, path, body, status) in [
        (Method::GET, "/api/wrok", None, 404),
        (Method::DELETE, work, None, 405),
        (Method::GET, "/api/work?stauts=queued", None, 400),
        (Method::GET, "/api/work?status=ready", None, 400),
        (Method::POST, work, None, 400),
        (
            Method::POST,
            work,
            Some(json!({"repo": "acme/shop", "descripton": "x"})),
            400,
        ),
        (
            Method::POST,
            work,
            Some(json!({"repo": 7, "description": "x"})),
            400,
        ),
        (Method::GET, "/api/work/seven", None, 400),
    ] {
        let reply = api(&orchestrator, method.clone(), path, body).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        assert!(reply.body["error"].is_string(), "{reply:?}");
        let violations = orchestrator.take_violations();
        assert_eq!(violations.len(), 1, "{method} {path}: {violations:?}");
        assert_eq!(violations[0].kind, ViolationKind::Request);
    }
    let text = client()
        .post(format!("{}{work}", orchestrator.url()))
        .bearer_auth(Orchestrator::API_KEY)
        .body(valid.to_string());
    assert_eq!(text.send().await.unwrap().status(), 400);
    assert_eq!(orchestrator.take_violations().len(), 1);
    assert_eq!(orchestrator.items(), []);
}

#[tokio::test]
#[should_panic(expected = "openapi.json does not allow this")]
async fn a_violation_that_no_test_expects_fails_it() {
    let orchestrator = Orchestrator::start();
    api(&orchestrator, Method::GET, "/api/wrok", None).await;
}

#[tokio::test]
async fn a_wrong_credential_is_refused_on_every_kind_of_route() {
    let (orchestrator, id) = with_running_worker().await;
    let heartbeat = format!("/api/worker/{id}/heartbeat");
    let heartbeat_body = || Some(json!({"seq": 1}));
    for (credential, method, path, body) in [
        ("wrong", Method::GET, "/api/work", None),
        (TOKEN, Method::GET, "/api/work", None),
        ("wrong", Method::POST, heartbeat.as_str(), heartbeat_body()),
        (
            Orchestrator::API_KEY,
            Method::POST,
            heartbeat.as_str(),
            heartbeat_body(),
        ),
    ] {
        let reply = send(&orchestrator, credential, method, path, body).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{credential} {path}");
    }
    let other = format!("{}/heartbeat", WorkerId::new());
    let reply = worker(&orchestrator, &other, json!({"seq": 1})).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);

    let without_version = client()
        .post(format!("{}{heartbeat}", orchestrator.url()))
        .bearer_auth(TOKEN)
        .json(&json!({"seq": 1}));
    let response = without_version.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(orchestrator.take_violations().len(), 1);
    assert_eq!(orchestrator.heartbeats(), []);
}

#[tokio::test]
async fn transitions_that_the_state_table_does_not_have_are_conflicts() {
    let (orchestrator, id) = with_running_worker().await;
    let item = orchestrator.items()[0].id;
    let path = |end: &str| format!("/api/work/{item}/{end}");
    for (method, end, body) in [
        (
            Method::PUT,
            "spec",
            json!({"spec": format!("{SPEC}- [ ] Another task\n"), "run": 1}),
        ),
        (
            Method::POST,
            "spec/fail",
            json!({"reason": "no", "retryable": false, "run": 1}),
        ),
        (Method::POST, "requeue", json!({})),
    ] {
        let reply = api(&orchestrator, method, &path(end), Some(body)).await;
        assert_eq!(reply.status, StatusCode::CONFLICT, "{end}: {reply:?}");
        assert_eq!(reply.body["code"], "wrong_state");
        assert_eq!(reply.body["details"]["status"], "in_progress");
    }
    let nonce = json!({"workerId": id, "nonce": "two"});
    let another_process = worker(&orchestrator, "register", nonce).await;
    assert_eq!(another_process.body["code"], "already_registered");

    orchestrator.cancel(item);
    for (end, body) in [("heartbeat", json!({"seq": 1})), ("complete", completion())] {
        let late = worker(&orchestrator, &format!("{id}/{end}"), body).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        assert_eq!(
            (&late.body["code"], &late.body["details"]["status"]),
            (&json!("lease_lost"), &json!("cancelled"))
        );
    }
    assert_eq!(orchestrator.items()[0].status, WorkItemStatus::Cancelled);
}

#[tokio::test]
#[should_panic(expected = "the orchestrator would refuse this: the work item is completed")]
async fn a_test_cannot_move_an_item_against_the_state_table_either() {
    let orchestrator = Orchestrator::start();
    orchestrator.assign(registered(), TOKEN);
    let item = orchestrator.items()[0].id;
    orchestrator.end_run(item, WorkItemStatus::Completed, &json!({"prNumber": 8}));
    orchestrator.cancel(item);
}

#[tokio::test]
async fn a_run_can_end_in_every_way_from_every_live_state() {
    for end in [
        WorkItemStatus::Completed,
        WorkItemStatus::Failed,
        WorkItemStatus::Cancelled,
    ] {
        let orchestrator = Orchestrator::start();
        let submitted = |number: usize| {
            let request = json!({"repo": "acme/shop", "description": format!("Number {number}")});
            orchestrator.submit(serde_json::from_value(request).unwrap()).id
        };
        let (generating, queued) = (submitted(1), submitted(2));
        let put = json!({"spec": SPEC, "run": 1});
        api(
            &orchestrator,
            Method::PUT,
            &format!("/api/work/{queued}/spec"),
            Some(put),
        )
        .await;
        let assignment = registered();
        let assigned = assignment.work_item.id;
        orchestrator.assign(assignment, TOKEN);
        for item in [generating, queued, assigned] {
            orchestrator.end_run(item, end, &json!({"error": "why"}));
        }
        for item in orchestrator.items() {
            assert_eq!((item.status, item.error.as_deref()), (end, Some("why")));
        }
    }
}

#[tokio::test]
async fn a_final_report_that_is_repeated_gets_the_same_response_and_another_one_a_conflict() {
    let (orchestrator, id) = with_running_worker().await;
    let complete = format!("{id}/complete");
    let first = worker(&orchestrator, &complete, completion()).await;
    let again = worker(&orchestrator, &complete, completion()).await;
    assert_eq!(first.body, again.body);
    assert_eq!(first.body["status"], "completed");
    assert!(matches!(
        orchestrator.final_reports()[..],
        [FinalReport::Complete(_), FinalReport::Complete(_)]
    ));
    let fail = json!({"cause": "crash", "reason": "why"});
    let other = worker(&orchestrator, &format!("{id}/fail"), fail).await;
    assert_eq!(other.body["code"], "wrong_state");
}

#[tokio::test]
async fn an_earlier_attempt_loses_its_lease_to_the_next_one() {
    let (orchestrator, id) = with_running_worker().await;
    let mut next = orchestrator.assignment();
    next.worker_id = WorkerId::new();
    orchestrator.assign(next, "another-token");
    let late = worker(&orchestrator, &format!("{id}/heartbeat"), json!({"seq": 1})).await;
    assert_eq!(late.body["code"], "lease_lost");
    assert_eq!(orchestrator.assignment().work_item.lease_epoch.number(), 2);
}

#[tokio::test]
async fn a_repeated_heartbeat_renews_the_lease_and_changes_nothing_else() {
    let (orchestrator, id) = with_running_worker().await;
    let heartbeat = format!("{id}/heartbeat");
    for (iteration, expected) in [(1, 1), (2, 1)] {
        let body = json!({"seq": 1, "iteration": iteration});
        let reply = worker(&orchestrator, &heartbeat, body).await;
        assert_eq!(reply.body, json!({"leaseSeconds": 60, "noteCount": 0}));
        assert_eq!(orchestrator.items()[0].iteration, expected);
    }
    assert_eq!(
        (orchestrator.heartbeats().len(), orchestrator.heartbeat_count()),
        (1, 2)
    );
}

#[tokio::test]
async fn locks_are_granted_all_or_none_unless_the_files_have_changed() {
    let (orchestrator, id) = with_running_worker().await;
    let lock = format!("{id}/lock");
    let held = orchestrator.hold_lock("a.txt".parse().unwrap(), "whim/8-other".parse().unwrap());
    let both = json!({"files": ["a.txt", "b.txt"]});
    let refused = worker(&orchestrator, &lock, both.clone()).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.body["code"], "lock_held");
    assert_eq!(refused.body["details"]["conflicts"], json!([held]));
    let after = worker(
        &orchestrator,
        &lock,
        json!({"files": ["a.txt", "b.txt"], "after": true}),
    )
    .await;
    assert_eq!(after.body, json!({"files": ["b.txt"], "conflicts": [held]}));
    orchestrator.release_lock(&"a.txt".parse().unwrap());
    let granted = worker(&orchestrator, &lock, both).await;
    assert_eq!(granted.body, json!({"files": ["a.txt", "b.txt"]}));
}

#[tokio::test]
async fn while_the_breaker_of_the_model_is_open_only_the_probe_may_ask() {
    let orchestrator = Orchestrator::start();
    let submit = |text: &str| {
        let request = json!({"repo": "acme/shop", "description": text});
        orchestrator.submit(serde_json::from_value(request).unwrap()).id
    };
    let (first, second) = (submit("One"), submit("Two"));
    for (breaker, expected) in [
        (ModelBreaker::Closed, ["spec_missing", "spec_missing"]),
        (ModelBreaker::Open, ["model_unavailable", "model_unavailable"]),
        (
            ModelBreaker::HalfOpen(first),
            ["spec_missing", "model_unavailable"],
        ),
    ] {
        orchestrator.set_model_breaker(breaker);
        for (item, expected) in [first, second].into_iter().zip(expected) {
            let path = format!("/api/work/{item}/explain");
            let explanation = api(&orchestrator, Method::GET, &path, None).await;
            assert_eq!(explanation.body["reasonCode"], expected, "{breaker:?}");
        }
    }
}

#[tokio::test]
async fn faults_refuse_lose_delay_and_hold() {
    let orchestrator = Orchestrator::start();
    let faults = orchestrator.faults();
    let submit = |number: usize| {
        let body = json!({"repo": "acme/shop", "description": format!("Number {number}")});
        api(&orchestrator, Method::POST, "/api/work", Some(body))
    };
    faults.push(Fault::on_every_request().unavailable().always());
    for _ in 0..2 {
        assert_eq!(submit(1).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    faults.clear();
    faults.push(Fault::on(Method::POST, "/api/work").conflict(ErrorCode::BranchInUse));
    assert_eq!(submit(1).await.body["code"], "branch_in_use");
    assert_eq!(orchestrator.items(), []);

    faults.push(Fault::on(Method::POST, "/api/work").lose_response());
    assert_eq!(submit(1).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(orchestrator.items().len(), 1);

    let delay = Duration::from_millis(200);
    faults.push(Fault::on(Method::POST, "/api/work").delay(delay));
    let begin = std::time::Instant::now();
    assert_eq!(submit(2).await.status, StatusCode::CREATED);
    assert!(begin.elapsed() >= delay);

    faults.push(Fault::on(Method::POST, "/api/work").hold_response());
    let held = submit(3);
    let mut held = std::pin::pin!(held);
    let effect = wait_until("the effect", Duration::from_secs(20), async || {
        if faults.pending() == 0 {
            Ok(())
        } else {
            Err("pending")
        }
    });
    tokio::select! {
        reply = &mut held => panic!("the response was not held: {reply:?}"),
        effect = effect => effect.unwrap(),
    }
    assert_eq!(orchestrator.items().len(), 3);
}
