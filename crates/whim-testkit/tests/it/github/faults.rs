//! Injected faults of every kind.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use whim_testkit::github::Fault;

use super::{Caller, SHOP, github_with_shop, octocrab_for};

const REPOSITORY: &str = "/repos/acme/shop";
const ANY_REPOSITORY: &str = "/repos/{owner}/{repo}";

#[tokio::test]
async fn a_server_error_occurs_the_configured_number_of_times() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let fault = Fault::on(Method::GET, ANY_REPOSITORY)
        .server_error(StatusCode::BAD_GATEWAY)
        .times(2);
    github.faults().push(fault);

    let first = caller.get(REPOSITORY).await;
    assert_eq!(
        (first.status.as_u16(), first.header("content-type")),
        (502, Some("text/html; charset=utf-8"))
    );
    assert_eq!(caller.get(&format!("{REPOSITORY}/issues")).await.status, 200);
    assert_eq!(github.faults().pending(), 1);
    assert_eq!(caller.get(REPOSITORY).await.status, 502);
    assert_eq!(caller.get(REPOSITORY).await.status, 200);
    assert_eq!(github.faults().pending(), 0);
    let statuses: Vec<_> = github
        .requests()
        .iter()
        .map(|request| request.status.unwrap().as_u16())
        .collect();
    assert_eq!(statuses, [502, 200, 502, 200]);
}

#[tokio::test]
async fn the_hourly_limit_reports_its_reset_time() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    github
        .faults()
        .push(Fault::on(Method::GET, ANY_REPOSITORY).rate_limited(Duration::from_secs(90)));

    let reply = caller.get(REPOSITORY).await;

    assert_eq!(
        (reply.status.as_u16(), reply.header("x-ratelimit-remaining")),
        (403, Some("0"))
    );
    let reset: i64 = reply.header("x-ratelimit-reset").unwrap().parse().unwrap();
    let wait = reset - chrono::Utc::now().timestamp();
    assert!((60..=90).contains(&wait), "{wait}");
    assert_eq!(reply.header("retry-after"), None);
    assert_eq!(caller.get(REPOSITORY).await.status, 200);
}

#[tokio::test]
async fn the_secondary_limit_reports_how_long_to_wait() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    github
        .faults()
        .push(Fault::on(Method::GET, ANY_REPOSITORY).secondary_limit(Duration::from_secs(7)));
    github
        .faults()
        .push(Fault::on(Method::GET, ANY_REPOSITORY).too_many_requests(Duration::from_secs(8)));

    for (status, wait) in [(403, "7"), (429, "8")] {
        let reply = caller.get(REPOSITORY).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("retry-after")),
            (status, Some(wait))
        );
        assert!(reply.text.contains("secondary rate limit"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_pull_request_is_created_and_its_response_lost() {
    let github = github_with_shop().await;
    github
        .faults()
        .push(Fault::on(Method::POST, "/repos/{owner}/{repo}/pulls").cut_after());
    let octocrab = octocrab_for(&github);
    let pulls = octocrab.pulls("acme", "shop");

    pulls.create("Tea", "feature", "main").send().await.unwrap_err();

    assert_eq!(github.pulls(SHOP).len(), 1);
    let posts = github
        .requests()
        .into_iter()
        .filter(|request| request.method == Method::POST);
    let posts: Vec<_> = posts
        .map(|request| (request.status.unwrap().as_u16(), request.cut))
        .collect();
    // A request that is not idempotent was not repeated.
    assert_eq!(posts, [(201, true)]);
    let found = pulls.list().head("acme:feature").send().await.unwrap();
    assert_eq!(found.items.len(), 1);
}

#[tokio::test]
async fn a_connection_is_cut_before_anything_is_done() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let caller = Caller::of(&github);
    let path = "/repos/{owner}/{repo}/issues/{number}/comments";
    github.faults().push(Fault::on(Method::POST, path).cut_before());

    let comments = format!("{REPOSITORY}/issues/{number}/comments");
    let lost = caller
        .request(Method::POST, &comments)
        .json(&json!({ "body": "Hm" }))
        .send()
        .await;

    assert!(lost.is_err());
    assert!(github.issue(SHOP, number).comments.is_empty());
    assert_eq!(github.requests()[0].status, None);
    assert_eq!(
        caller
            .send(Method::POST, &comments, &json!({ "body": "Hm" }))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn pull_requests_are_refused_for_good() {
    let github = github_with_shop().await;
    let fault = Fault::on(Method::POST, "/repos/{owner}/{repo}/pulls")
        .validation_failed("No, never.")
        .always();
    github.faults().push(fault);
    let caller = Caller::of(&github);
    let body = json!({ "title": "Tea", "head": "feature", "base": "main" });

    for _attempt in 0..3 {
        let reply = caller.send(Method::POST, "/repos/acme/shop/pulls", &body).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.json()["errors"][0]["message"]),
            (422, &json!("No, never."))
        );
    }
    github.faults().clear();
    assert_eq!(
        caller
            .send(Method::POST, "/repos/acme/shop/pulls", &body)
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn a_delay_affects_only_its_own_request() {
    let github = github_with_shop().await;
    let hour = Duration::from_secs(3_600);
    github.faults().push(Fault::on(Method::GET, "/user").delay(hour));
    let caller = Caller::of(&github);

    tokio::select! {
        biased;
        slow = caller.get("/user") => panic!("answered with {} too early", slow.status),
        quick = caller.get(REPOSITORY) => assert_eq!(quick.status, 200),
    }
}

#[tokio::test]
async fn a_delayed_request_is_answered_in_the_end() {
    let github = github_with_shop().await;
    let delay = Duration::from_millis(20);
    github.faults().push(Fault::on(Method::GET, "/user").delay(delay));
    let start = Instant::now();

    assert_eq!(Caller::of(&github).get("/user").await.status, 200);

    assert!(delay <= start.elapsed());
}

#[tokio::test]
async fn a_fault_waits_for_its_turn_and_for_its_body() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let caller = Caller::of(&github);
    let labels = format!("{REPOSITORY}/issues/{number}/labels");
    let answer = json!({ "message": "Teapot" });
    github.faults().push(
        Fault::on(Method::POST, "/repos/{*rest}")
            .when_body_contains("ai-pr-ready")
            .after(1)
            .answer(StatusCode::IM_A_TEAPOT, &answer),
    );
    let add = async |label: &str| {
        caller
            .send(Method::POST, &labels, &json!({ "labels": [label] }))
            .await
            .status
            .as_u16()
    };

    assert_eq!(add("ai-pr-ready").await, 200);
    assert_eq!(add("ai-processing").await, 200);
    assert_eq!(add("ai-pr-ready").await, 418);
    assert_eq!(add("ai-pr-ready").await, 200);
}
