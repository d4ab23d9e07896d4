//! Authentication, permissions and rate limits.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use whim_testkit::github::{Access, BOT, Permissions};

use super::{Caller, SHOP, github_with_shop};

#[tokio::test]
async fn accounts_without_access_see_no_private_repository() {
    let github = github_with_shop().await;
    let stranger = Caller::with_token(&github, None);

    assert_eq!(stranger.get("/repos/acme/shop").await.status, 404);
    assert_eq!(stranger.get("/repos/acme/shop/issues").await.status, 404);
    assert_eq!(stranger.get("/user").await.status, 401);
    assert_eq!(stranger.get("/rate_limit").await.json()["rate"]["limit"], 60);
}

#[tokio::test]
async fn a_wrong_token_is_refused_everywhere() {
    let github = github_with_shop().await;
    let caller = Caller::with_token(&github, Some("ghp_wrong"));

    let reply = caller.get("/repos/acme/shop").await;

    assert_eq!(
        (reply.status.as_u16(), reply.json()["message"].as_str()),
        (401, Some("Bad credentials"))
    );
    assert_eq!(github.requests()[0].login, None);
}

#[tokio::test]
async fn a_token_does_what_its_permissions_say_and_no_more() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let issues_only = Permissions {
        issues: Access::Write,
        ..Permissions::READ
    };
    let caller = Caller::with_token(&github, Some(&github.create_token("helper", issues_only)));
    let hidden = Caller::with_token(&github, Some(&github.create_token("guest", Permissions::NONE)));

    let labels = format!("/repos/acme/shop/issues/{number}/labels");
    assert_eq!(
        caller
            .send(Method::POST, &labels, &json!({ "labels": ["a"] }))
            .await
            .status,
        200
    );
    let pull = json!({ "title": "Tea", "head": "feature", "base": "main" });
    let refused = caller.send(Method::POST, "/repos/acme/shop/pulls", &pull).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.json()["message"],
        "Resource not accessible by personal access token"
    );
    assert_eq!(hidden.get("/repos/acme/shop").await.status, 404);

    let push = |reply: super::Reply| reply.json()["permissions"]["push"].as_bool();
    assert_eq!(push(caller.get("/repos/acme/shop").await), Some(false));
    assert_eq!(
        push(Caller::of(&github).get("/repos/acme/shop").await),
        Some(true)
    );
}

#[tokio::test]
async fn an_exhausted_rate_limit_refuses_until_its_reset() {
    let github = github_with_shop().await;
    github.set_rate_limit(2);
    let caller = Caller::of(&github);

    let first = caller.get("/repos/acme/shop").await;
    assert_eq!(
        (
            first.header("x-ratelimit-limit"),
            first.header("x-ratelimit-remaining")
        ),
        (Some("2"), Some("1"))
    );
    assert_eq!(
        caller
            .get("/repos/acme/shop")
            .await
            .header("x-ratelimit-remaining"),
        Some("0")
    );
    let refused = caller.get("/repos/acme/shop").await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("x-ratelimit-remaining")),
        (403, Some("0"))
    );
    assert!(
        refused.text.contains("API rate limit exceeded"),
        "{}",
        refused.text
    );
    // Reading the rate limit is free, even when it is exhausted.
    assert_eq!(caller.get("/rate_limit").await.json()["rate"]["remaining"], 0);

    github.advance_clock(Duration::from_secs(3_600));
    assert_eq!(caller.get("/repos/acme/shop").await.status, 200);
    assert!(
        github
            .requests()
            .iter()
            .all(|request| request.login.as_deref() == Some(BOT))
    );
}
