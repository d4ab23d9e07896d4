//! Merging pull requests.

use reqwest::Method;
use serde_json::json;
use whim_testkit::github::State;

use super::{Caller, SHOP, github_with_shop};

#[tokio::test]
async fn merging_closes_the_issues_that_the_pull_request_names() {
    let github = github_with_shop().await;
    let named = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let other = github.create_issue(SHOP, "Sell coffee", "Please.", &[]);
    let caller = Caller::of(&github);
    let body = json!({
        "title": "Tea", "head": "feature", "base": "main", "body": format!("Closes #{named}, see #{other}"),
    });
    let pull = caller
        .send(Method::POST, "/repos/acme/shop/pulls", &body)
        .await
        .json()["number"]
        .as_u64()
        .unwrap();

    let commit = github.merge_pull(SHOP, pull);

    assert_eq!(github.issue(SHOP, named).state, State::Closed);
    assert_eq!(github.issue(SHOP, other).state, State::Open);
    assert_eq!(github.branch_head(SHOP, "main"), Some(commit.clone()));
    assert_eq!(
        github.read_file(SHOP, "main", "tea.txt").as_deref(),
        Some("green\n")
    );
    let merged = caller.get(&format!("/repos/acme/shop/pulls/{pull}")).await.json();
    assert_eq!(
        (&merged["merged"], &merged["state"]),
        (&json!(true), &json!("closed"))
    );
    assert_eq!(merged["merge_commit_sha"], commit);
    assert!(github.pulls(SHOP)[0].merged);
}

#[tokio::test]
async fn a_branch_that_is_removed_closes_its_pull_request() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let body = json!({ "title": "Tea", "head": "feature", "base": "main" });
    caller.send(Method::POST, "/repos/acme/shop/pulls", &body).await;

    github.delete_branch(SHOP, "feature");

    let pull = &github.pulls(SHOP)[0];
    assert_eq!((pull.state, pull.merged), (State::Closed, false));
    assert_eq!(caller.get("/repos/acme/shop/branches/feature").await.status, 404);
    assert_eq!(
        caller.get("/repos/acme/shop/branches/main").await.json()["name"],
        "main"
    );
    assert_eq!(
        caller.get("/repos/acme/shop/git/ref/heads/feature").await.status,
        404
    );
}
