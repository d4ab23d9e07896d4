use secrecy::SecretString;
use serde_json::json;
use whim_client::{BuildError, Client, ClientError};
use whim_core::protocol::ErrorCode;
use whim_core::protocol::worker::LockFiles;
use whim_core::{WorkItemId, WorkerId};

use crate::server::{QUICK, Say, Server, refusal};

async fn error_of(say: Say) -> ClientError {
    let server = Server::start([say]).await;
    server.client().get_work(WorkItemId::new()).await.unwrap_err()
}

#[tokio::test]
async fn a_refusal_carries_its_code_and_details() {
    let body =
        json!({ "error": "it has ended", "code": "wrong_state", "details": { "status": "completed" } });

    let error = error_of(Say::Json(409, body)).await;

    assert_eq!(
        (error.code(), error.status()),
        (Some(ErrorCode::WrongState), Some(409))
    );
    assert_eq!(error.to_string(), "the orchestrator refused (409): it has ended");
    let ClientError::Refused { body, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(body.details["status"], "completed");
}

#[tokio::test]
async fn a_code_of_a_newer_orchestrator_is_kept_as_unknown() {
    assert_eq!(
        error_of(Say::Json(418, refusal("teapot"))).await.code(),
        Some(ErrorCode::Unknown)
    );
}

#[tokio::test]
async fn an_answer_outside_the_protocol_is_reported_with_its_beginning() {
    let page = format!("<html>\n{}", "x".repeat(10_000));
    for say in [Say::Text(200, page.clone()), Say::Text(404, page)] {
        let error = error_of(say).await;
        let text = error.to_string();
        assert!(matches!(error, ClientError::Unexpected { .. }), "{error:?}");
        assert!(text.contains("<html> xxx") && text.len() < 500, "{text}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_because_the_credential_would_go_with_it() {
    let server = Server::start([Say::Elsewhere("/elsewhere"), Say::Text(200, String::new())]).await;

    let error = server.client().get_work(WorkItemId::new()).await.unwrap_err();

    assert_eq!(error.status(), Some(302));
    assert_eq!(server.calls().await.len(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let error = error_of(Say::Text(200, "x".repeat(9 * 1024 * 1024))).await;
    assert!(error.to_string().contains("larger than"), "{error}");
}

#[tokio::test]
async fn a_refused_lock_names_the_holders() {
    let holder = WorkerId::new();
    let body = json!({ "error": "locked", "code": "lock_held",
        "details": { "conflicts": [{ "file": "src/a.rs", "workerId": holder, "workItemId": WorkItemId::new(),
            "branch": "whim/1-x" }] } });
    let server = Server::start([Say::Json(409, body)]).await;
    let files = LockFiles {
        files: vec!["src/a.rs".parse().unwrap()],
        after: false,
    };

    let error = server
        .worker_client(WorkerId::new())
        .lock(&files)
        .await
        .unwrap_err();

    let conflicts = error.lock_conflicts();
    assert_eq!((conflicts.len(), conflicts[0].worker_id), (1, holder));
    assert_eq!(
        error_of(Say::Json(409, refusal("lock_held")))
            .await
            .lock_conflicts(),
        []
    );
}

#[test]
fn a_client_that_cannot_work_is_not_made() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let build = |base: &str, key: &str| {
        Client::new(base.parse().unwrap(), Some(&SecretString::from(key)), QUICK)
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(build("mailto:x@y", "key"), BuildError::BaseUrl));
    assert!(matches!(build("ftp://host", "key"), BuildError::BaseUrl));
    let error = build("http://host", "hunter2\n");
    assert!(matches!(error, BuildError::Credential(_)));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}
