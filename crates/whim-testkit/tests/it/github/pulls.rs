//! Opening and changing pull requests.

use reqwest::Method;
use serde_json::{Value, json};
use whim_testkit::github::State;

use super::{Caller, SHOP, github_with_shop};

const PULLS: &str = "/repos/acme/shop/pulls";

#[tokio::test]
async fn an_invalid_pull_request_is_refused_as_github_refuses_it() {
    let github = github_with_shop().await;
    github.commit_files(SHOP, "topic", "Topic", &[("a.txt", "a\n")]);
    let orphan = github.bare_repository(SHOP);
    let tree = orphan.run(["rev-parse", "main^{tree}"]).unwrap();
    let commit = orphan.run(["commit-tree", &tree, "-m", "Alone"]).unwrap();
    orphan.run(["update-ref", "refs/heads/orphan", &commit]).unwrap();
    orphan.run(["branch", "same", "main"]).unwrap();
    let caller = Caller::of(&github);

    let mut shown = Vec::new();
    for (head, base, title) in [
        ("missing", "main", Some("Tea")),
        ("feature", "missing", Some("Tea")),
        ("other:feature", "main", Some("Tea")),
        ("same", "main", Some("Tea")),
        ("orphan", "main", Some("Tea")),
        ("feature", "main", None),
        ("feature", "main", Some(" ")),
    ] {
        let mut body = json!({ "head": head, "base": base });
        if let Some(title) = title {
            body["title"] = title.into();
        }
        let reply = caller.send(Method::POST, PULLS, &body).await;
        shown.push(format!(
            "{head} to {base}: {} {}",
            reply.status.as_u16(),
            reply.json()["errors"][0]
        ));
    }

    insta::assert_snapshot!(shown.join("\n"), @r#"
    missing to main: 422 {"code":"invalid","field":"head","resource":"PullRequest"}
    feature to missing: 422 {"code":"invalid","field":"base","resource":"PullRequest"}
    other:feature to main: 422 {"code":"invalid","field":"head","resource":"PullRequest"}
    same to main: 422 {"code":"custom","message":"No commits between main and same","resource":"PullRequest"}
    orphan to main: 422 {"code":"custom","message":"The orphan branch has no history in common with main","resource":"PullRequest"}
    feature to main: 422 {"code":"missing_field","field":"title","resource":"PullRequest"}
    feature to main: 422 {"code":"missing_field","field":"title","resource":"PullRequest"}
    "#);
    assert!(github.pulls(SHOP).is_empty());
}

#[tokio::test]
async fn of_two_concurrent_pull_requests_for_one_head_one_is_opened() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let body = json!({ "title": "Tea", "head": "acme:feature", "base": "main" });

    let (one, two) = tokio::join!(
        caller.send(Method::POST, PULLS, &body),
        caller.send(Method::POST, PULLS, &body),
    );

    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 422]);
    assert_eq!(github.pulls(SHOP).len(), 1);
}

#[tokio::test]
async fn a_pull_request_can_be_opened_after_the_previous_one_was_closed() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let body = json!({ "title": "Tea", "head": "feature", "base": "main" });
    let first = caller.send(Method::POST, PULLS, &body).await.json();
    let path = format!("{PULLS}/{}", first["number"]);

    let changes = json!({ "state": "closed", "body": "Never mind" });
    let closed = caller.send(Method::PATCH, &path, &changes).await.json();
    assert_eq!(
        (&closed["state"], &closed["body"]),
        (&json!("closed"), &json!("Never mind"))
    );
    assert_eq!(caller.send(Method::POST, PULLS, &body).await.status, 201);

    let list = async |query: &str| {
        caller
            .get(&format!("{PULLS}?head=acme:feature&{query}"))
            .await
            .numbers()
    };
    assert_eq!(list("").await, [2]);
    assert_eq!(list("state=closed").await, [1]);
    assert_eq!(list("state=all&direction=asc").await, [1, 2]);
    assert_eq!(list("state=all&base=other").await, Vec::<u64>::new());
}

#[tokio::test]
async fn a_conflict_with_the_base_is_reported() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let body = json!({ "title": "Tea", "head": "feature", "base": "main" });
    caller.send(Method::POST, PULLS, &body).await;
    let state = async || -> Value { caller.get(&format!("{PULLS}/1")).await.json() };
    assert_eq!(state().await["mergeable_state"], "clean");

    github.commit_files(SHOP, "main", "Sell black tea", &[("tea.txt", "black\n")]);

    let pull = state().await;
    assert_eq!(
        (&pull["mergeable"], &pull["mergeable_state"]),
        (&json!(false), &json!("dirty"))
    );
    assert_eq!(github.pulls(SHOP)[0].state, State::Open);
}
