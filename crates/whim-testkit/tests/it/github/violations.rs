//! Invalid requests are refused and recorded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use reqwest::Method;
use serde_json::json;
use whim_testkit::github::ViolationKind;

use super::{Caller, SHOP, github_with_shop};

#[tokio::test]
async fn requests_outside_the_description_are_refused_and_recorded() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let caller = Caller::of(&github);
    let issue = format!("/repos/acme/shop/issues/{number}");

    let mut replies = Vec::new();
    replies.push(caller.get("/repos/acme/shop/nonsense").await);
    replies.push(caller.get("/repos/acme/shop/issues/one").await);
    replies.push(caller.get("/repos/acme/shop/issues?state=ajar").await);
    replies.push(
        caller
            .send(
                Method::POST,
                &format!("{issue}/labels"),
                &json!({ "labels": "whim" }),
            )
            .await,
    );
    replies.push(
        caller
            .send(Method::POST, &format!("{issue}/comments"), &json!({}))
            .await,
    );
    let broken = caller
        .request(Method::POST, &format!("{issue}/comments"))
        .body("{");
    replies.push(super::Reply::of(broken).await);

    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
    assert_eq!(statuses, [404, 404, 422, 422, 422, 400]);
    let violations = github.take_violations();
    assert!(
        violations
            .iter()
            .all(|violation| violation.kind == ViolationKind::Request)
    );
    let shown: Vec<String> = violations.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    request GET /repos/acme/shop/nonsense: the description knows no such operation
    request GET /repos/acme/shop/issues/one: path parameter: value is not of type "integer" at `/issue_number`
    request GET /repos/acme/shop/issues: query parameter: value is not one of "open", "closed" or "all" at `/state`
    request POST /repos/acme/shop/issues/1/labels: body: value is not valid under any of the schemas listed in the 'oneOf' keyword at ``
    request POST /repos/acme/shop/issues/1/comments: body: "body" is a required property at ``
    request POST /repos/acme/shop/issues/1/comments: the body is not JSON
    "#);
    assert!(github.issue(SHOP, number).labels.is_empty());
}

#[tokio::test]
async fn what_github_ignores_is_ignored_and_recorded() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);

    assert_eq!(caller.get("/repos/acme/shop/issues?label=whim").await.status, 200);
    let body = json!({ "title": "Tea", "head": "feature", "base": "main", "labels": ["whim"] });
    let reply = caller.send(Method::POST, "/repos/acme/shop/pulls", &body).await;

    assert_eq!(reply.status, 201);
    assert!(github.issue(SHOP, 1).labels.is_empty());
    let shown: Vec<String> = github.take_violations().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    request GET /repos/acme/shop/issues: the operation has no query parameter `label`
    request POST /repos/acme/shop/pulls: the operation has no body field `labels`
    ");
}

#[tokio::test]
async fn a_request_without_a_user_agent_is_refused() {
    let github = github_with_shop().await;
    super::install_tls();
    let nameless = reqwest::Client::builder().build().unwrap();
    let request = nameless
        .get(format!("{}/user", github.api_url()))
        .bearer_auth(github.token());

    assert_eq!(request.send().await.unwrap().status(), 403);
    assert_eq!(github.take_violations()[0].problem, "there is no User-Agent");
}

#[tokio::test]
async fn requests_that_the_fake_does_not_support_are_recorded() {
    let github = github_with_shop().await;

    let caller = Caller::of(&github);

    assert_eq!(caller.get("/repos/acme/shop/actions/runs").await.status, 501);
    assert_eq!(
        caller.get("/repos/acme/shop/issues?milestone=1").await.status,
        501
    );

    let violations = github.take_violations();
    let shown: Vec<String> = violations
        .iter()
        .map(|it| format!("{} {}", it.method, it.path))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    GET /repos/acme/shop/actions/runs
    GET /repos/acme/shop/issues
    ");
}

#[tokio::test]
async fn a_fake_with_recorded_violations_fails_its_test() {
    let github = github_with_shop().await;
    Caller::of(&github).get("/nonsense").await;

    let ended = catch_unwind(AssertUnwindSafe(|| drop(github)));

    let message = *ended.unwrap_err().downcast::<String>().unwrap();
    assert!(
        message.contains("GET /nonsense: the description knows no such operation"),
        "{message}"
    );
}
