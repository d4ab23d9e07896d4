//! Issues, lists of issues, and their events.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use whim_testkit::github::{PERSON, State};

use super::{Caller, SHOP, github_with_shop};

#[tokio::test]
async fn a_list_is_filtered_and_ordered_as_requested() {
    let github = github_with_shop().await;
    let [first, second, third] = ["a", "b", "c"].map(|title| {
        github.advance_clock(Duration::from_secs(60));
        github.create_issue(SHOP, title, "Text", &["whim"])
    });
    github.add_label(SHOP, second, "Priority:High");
    let since = github.issue(SHOP, third).created_at;
    github.advance_clock(Duration::from_secs(60));
    github.comment(SHOP, first, "Still wanted");
    github.set_state(SHOP, second, State::Closed);
    let caller = Caller::of(&github);
    let list = async |query: &str| {
        caller
            .get(&format!("/repos/acme/shop/issues?{query}"))
            .await
            .numbers()
    };

    assert_eq!(list("").await, [third, first]);
    assert_eq!(list("state=all&direction=asc").await, [first, second, third]);
    assert_eq!(list("state=closed").await, [second]);
    assert_eq!(list("state=all&labels=whim,priority:high").await, [second]);
    assert_eq!(list("sort=comments").await, [first, third]);
    assert_eq!(list("sort=updated&direction=asc").await, [third, first]);
    let since = since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    assert_eq!(
        list(&format!("state=all&direction=asc&since={since}")).await,
        [first, second, third]
    );
    let later = "2999-01-01T00:00:00Z";
    assert!(list(&format!("state=all&since={later}")).await.is_empty());
    assert!(list("creator=someone").await.is_empty());
}

#[tokio::test]
async fn pull_requests_are_among_the_issues_and_marked() {
    let github = github_with_shop().await;
    let issue = github.create_issue(SHOP, "Sell tea", "Please.", &["whim"]);
    let caller = Caller::of(&github);
    let body = json!({ "title": "Tea", "head": "feature", "base": "main", "draft": true });
    let pull = caller
        .send(Method::POST, "/repos/acme/shop/pulls", &body)
        .await
        .json()["number"]
        .clone();
    github.add_label(SHOP, pull.as_u64().unwrap(), "whim");

    let list = caller
        .get("/repos/acme/shop/issues?labels=whim&direction=asc")
        .await
        .json();

    assert_eq!(
        (&list[0]["number"], &list[0]["pull_request"]),
        (&json!(issue), &json!(null))
    );
    assert_eq!((&list[1]["number"], &list[1]["draft"]), (&pull, &json!(true)));
    assert!(
        list[1]["pull_request"]["url"]
            .as_str()
            .unwrap()
            .ends_with("/repos/acme/shop/pulls/2")
    );
    // It is an issue and not a pull request for the test too.
    assert_eq!(github.issues(SHOP).len(), 1);
}

#[tokio::test]
async fn an_issue_is_created_changed_and_closed() {
    let github = github_with_shop().await;
    let caller = Caller::of(&github);
    let new = json!({ "title": "Sell tea", "body": "Please.", "labels": ["whim"] });
    let created = caller.send(Method::POST, "/repos/acme/shop/issues", &new).await;
    assert_eq!(
        (created.status.as_u16(), &created.json()["number"]),
        (201, &json!(1))
    );

    github.advance_clock(Duration::from_secs(5));
    let path = "/repos/acme/shop/issues/1";
    let changes = json!({ "title": "Sell green tea", "body": null, "labels": ["b"], "state": "closed", "state_reason": "not_planned" });
    let changed = caller.send(Method::PATCH, path, &changes).await.json();

    assert_eq!(
        (&changed["title"], &changed["body"]),
        (&json!("Sell green tea"), &json!(null))
    );
    assert_eq!(
        (&changed["state"], &changed["state_reason"]),
        (&json!("closed"), &json!("not_planned"))
    );
    assert_eq!(changed["labels"][0]["name"], "b");
    assert_ne!(changed["updated_at"], changed["created_at"]);
    assert_eq!(changed["closed_at"], changed["updated_at"]);
    assert_eq!(caller.get(path).await.json(), changed);
    assert_eq!(caller.get("/repos/acme/shop/issues/2").await.status, 404);
}

#[tokio::test]
async fn labels_and_comments_set_the_time_of_the_last_change() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let mut times = vec![github.issue(SHOP, number).updated_at];
    let steps: [&dyn Fn(); 5] = [
        &|| github.add_label(SHOP, number, "whim"),
        &|| github.remove_label(SHOP, number, "whim"),
        &|| {
            github.comment(SHOP, number, "Hm");
        },
        &|| github.edit_issue(SHOP, number, "Pretty please."),
        &|| github.set_state(SHOP, number, State::Closed),
    ];
    for step in steps {
        github.advance_clock(Duration::from_secs(1));
        step();
        times.push(github.issue(SHOP, number).updated_at);
    }

    assert!(times.is_sorted_by(|before, after| before < after), "{times:?}");
    assert_eq!(github.issue(SHOP, number).created_at, times[0]);
}

#[tokio::test]
async fn events_name_who_added_and_who_removed_a_label() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &["whim"]);
    let caller = Caller::of(&github);
    let labels = format!("/repos/acme/shop/issues/{number}/labels");
    caller
        .send(Method::PUT, &labels, &json!({ "labels": ["ai-failed"] }))
        .await;
    github.remove_label(SHOP, number, "ai-failed");
    github.set_state(SHOP, number, State::Closed);
    github.set_state(SHOP, number, State::Open);

    let events = caller
        .get(&format!("/repos/acme/shop/issues/{number}/events"))
        .await
        .json();

    let shown: Vec<String> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
            format!(
                "{} {} {}",
                text(&event["actor"]["login"]),
                text(&event["event"]),
                text(&event["label"]["name"])
            )
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    octocat labeled whim
    whim-bot unlabeled whim
    whim-bot labeled ai-failed
    octocat unlabeled ai-failed
    octocat closed 
    octocat reopened
    ");
    assert_eq!(github.issue(SHOP, number).author, PERSON);
}

#[tokio::test]
async fn too_long_and_empty_texts_are_refused() {
    let github = github_with_shop().await;
    let number = github.create_issue(SHOP, "Sell tea", "Please.", &[]);
    let caller = Caller::of(&github);
    let comments = format!("/repos/acme/shop/issues/{number}/comments");

    for body in [" ", &"x".repeat(65_537)] {
        let reply = caller
            .send(Method::POST, &comments, &json!({ "body": body }))
            .await;
        assert_eq!(reply.status, 422);
    }
    let long = json!({ "title": "x".repeat(257) });
    assert_eq!(
        caller
            .send(Method::POST, "/repos/acme/shop/issues", &long)
            .await
            .status,
        422
    );
    let label = json!({ "name": "a", "color": "red" });
    assert_eq!(
        caller
            .send(Method::POST, "/repos/acme/shop/labels", &label)
            .await
            .status,
        422
    );
    assert!(github.issue(SHOP, number).comments.is_empty());
}
