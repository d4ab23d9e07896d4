use serde_json::json;
use tokio::net::TcpListener;
use whim_client::{Client, ClientError, Created};
use whim_core::WorkItemId;
use whim_core::protocol::work::{CreateWork, FailSpec, RequeueWork};
use whim_core::protocol::worker::Heartbeat;

use crate::server::{QUICK, Say, Server, refusal, work_item};

fn unavailable() -> Say {
    Say::Json(503, refusal("unavailable"))
}

fn create(source_ref: Option<&str>) -> CreateWork {
    let mut work = json!({ "repo": "octo/app", "description": "x", "source": "github" });
    if let Some(source_ref) = source_ref {
        work["sourceRef"] = source_ref.into();
    }
    serde_json::from_value(work).unwrap()
}

#[tokio::test]
async fn a_call_that_may_take_effect_twice_is_repeated_until_it_is_answered() {
    let answers = [
        unavailable(),
        Say::Break,
        Say::Text(502, "bad gateway".to_owned()),
        Say::Json(200, work_item()),
    ];
    let server = Server::start(answers).await;

    server.client().get_work(WorkItemId::new()).await.unwrap();

    let seen = server.seen().await;
    assert_eq!(seen.len(), 4);
    let request_ids: Vec<&str> = seen.iter().map(|seen| seen.header("x-request-id")).collect();
    assert!(
        request_ids
            .iter()
            .all(|id| *id == request_ids[0] && !id.is_empty()),
        "{request_ids:?}"
    );
}

#[tokio::test]
async fn the_last_refusal_is_the_answer_when_the_retries_are_used_up() {
    let server = Server::start(std::iter::repeat_n(unavailable(), 10)).await;

    let error = server.client().get_work(WorkItemId::new()).await.unwrap_err();

    assert_eq!(error.status(), Some(503));
    assert!(error.is_temporary());
    assert_eq!(server.calls().await.len(), 4);
}

#[tokio::test]
async fn a_refusal_that_time_does_not_change_is_not_repeated() {
    for code in [400, 401, 404, 409, 500] {
        let server = Server::start([Say::Json(code, refusal("wrong_state"))]).await;
        server.client().get_work(WorkItemId::new()).await.unwrap_err();
        assert_eq!(server.calls().await.len(), 1, "status {code}");
    }
}

#[tokio::test]
async fn submitting_is_repeated_only_when_source_and_reference_make_that_harmless() {
    let server = Server::start([Say::Break, Say::Json(201, work_item())]).await;
    let created = server.client().create_work(&create(Some("7"))).await.unwrap();
    assert!(matches!(created, Created::New(_)));

    let server = Server::start([Say::Break, Say::Json(201, work_item())]).await;
    let error = server.client().create_work(&create(None)).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable(_)), "{error:?}");
    assert_eq!(server.calls().await.len(), 1);
}

#[tokio::test]
async fn a_requeue_without_its_run_and_a_failed_spec_are_not_repeated() {
    let server = Server::start([unavailable(), unavailable()]).await;
    let client = server.client();
    client
        .requeue_work(WorkItemId::new(), &RequeueWork::default())
        .await
        .unwrap_err();
    let fail = FailSpec {
        run: 1,
        reason: "r".to_owned(),
        retryable: false,
        cause: None,
        retry_after_seconds: None,
    };
    client.fail_spec(WorkItemId::new(), &fail).await.unwrap_err();
    assert_eq!(server.calls().await.len(), 2);
}

#[tokio::test]
async fn worker_calls_are_repeated() {
    let server = Server::start([unavailable(), Say::Json(200, json!({ "leaseSeconds": 1 }))]).await;
    server
        .worker_client(whim_core::WorkerId::new())
        .heartbeat(&Heartbeat::default())
        .await
        .unwrap();
    assert_eq!(server.calls().await.len(), 2);
}

#[tokio::test]
async fn a_request_to_wait_longer_than_the_longest_delay_is_cut_short() {
    let server = Server::start([Say::RetryAfter(503, "86400"), Say::Json(200, work_item())]).await;
    server.client().get_work(WorkItemId::new()).await.unwrap();
}

#[tokio::test]
async fn health_is_asked_once_and_unhealthy_is_an_answer() {
    let part = |healthy| json!({ "healthy": healthy, "message": "" });
    let health =
        json!({ "healthy": false, "postgres": part(false), "redis": part(true), "runtime": part(true) });
    let server = Server::start([Say::Json(503, health)]).await;

    let answer = server.client().health().await.unwrap();

    assert!(!answer.healthy && !answer.postgres.healthy);
    assert_eq!(server.calls().await.len(), 1);
}

#[tokio::test]
async fn nobody_listening_is_unreachable_and_tells_no_secret() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let base = format!("http://user:hunter2@{address}").parse().unwrap();
    let client = Client::new(base, None, QUICK).unwrap();

    let error = client.create_work(&create(None)).await.unwrap_err();

    assert!(matches!(error, ClientError::Unreachable(_)));
    assert!(error.is_temporary());
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}
