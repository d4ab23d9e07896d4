//! What attempts receive.

use serde_json::{Value, json};

use super::{complete_with, decide, received, reported, started, texts, update};
use crate::world::{World, fail};

const NO_HOLDOUT: &[(&str, &str)] = &[("LEARNINGS_HOLDOUT", "0")];

// docs/attacks.md, row 25.
#[tokio::test]
async fn other_items_receive_a_learning_only_after_its_pull_request_was_merged() {
    let world = World::with(NO_HOLDOUT).await;
    let (first, received_first) = started(&world, "octocat/hello", "Greet").await;
    assert_eq!(received_first, "");
    let body = complete_with(&[("gotcha", "Tests need port 5433")]);
    world.call(&first, "complete", &body).await.expect(200);

    let (_, before) = started(&world, "octocat/hello", "Test the greeting").await;
    assert_eq!(before, "");
    let branch = world.item(first.item).await["branch"].clone();
    let waiting = world.get("/api/learnings/quarantine").await.expect(200);
    assert_eq!(
        waiting["items"],
        json!([{ "workItemId": first.item, "repo": "octocat/hello", "branch": branch, "prNumber": 7 }])
    );
    assert_eq!(
        decide(&world, &first, "pending").await,
        json!({ "accepted": 0, "retired": 0 })
    );
    assert_eq!(
        decide(&world, &first, "merged").await,
        json!({ "accepted": 1, "retired": 0 })
    );
    assert_eq!(
        decide(&world, &first, "merged").await,
        json!({ "accepted": 0, "retired": 0 })
    );
    let waiting = world.get("/api/learnings/quarantine").await.expect(200);
    assert_eq!(waiting["items"], json!([]));

    let (worker, after) = started(&world, "Octocat/hello", "Test the greeting").await;
    let line = after.lines().last().unwrap();
    assert!(line.starts_with("- L1 Gotcha (octocat/hello, "), "{after}");
    assert!(line.ends_with("): Tests need port 5433"), "{after}");
    // The same attempt gets the same text again.
    assert_eq!(received(&world, &worker).await, after);
    let (_, elsewhere) = started(&world, "someone/else", "Test the greeting").await;
    assert_eq!(elsewhere, "");
}

#[tokio::test]
async fn a_learning_of_a_rejected_pull_request_reaches_nobody() {
    let world = World::with(NO_HOLDOUT).await;
    let (first, _) = started(&world, "octocat/hello", "Greet").await;
    let body = complete_with(&[("gotcha", "Tests need port 5433")]);
    world.call(&first, "complete", &body).await.expect(200);
    assert_eq!(
        decide(&world, &first, "closed").await,
        json!({ "accepted": 0, "retired": 1 })
    );
    assert_eq!(texts(&world, "retired").await, ["Tests need port 5433"]);
    let (second, received) = started(&world, "octocat/hello", "Greet again").await;
    assert_eq!(received, "");

    // Another attempt finds the same, and its pull request is merged.
    world.call(&second, "complete", &body).await.expect(200);
    assert_eq!(texts(&world, "quarantined").await, ["Tests need port 5433"]);
    assert_eq!(decide(&world, &second, "merged").await["accepted"], 1);
    let (_, received) = started(&world, "octocat/hello", "Greet once more").await;
    assert!(received.contains("Tests need port 5433"), "{received}");
}

#[tokio::test]
async fn retries_of_an_item_receive_its_own_learnings_at_once() {
    let world = World::with(NO_HOLDOUT).await;
    let (first, _) = started(&world, "octocat/hello", "Greet").await;
    let mut body = fail("crash");
    body["learnings"] = reported(&[("approach", "Start the database with make db")]);
    world.call(&first, "fail", &body).await.expect(200);
    world.release_due_retries().await;
    let second = world.claim().await.unwrap();
    assert_eq!(second.item, first.item);
    let learnings = received(&world, &second).await;
    assert!(
        learnings.contains("Start the database with make db"),
        "{learnings}"
    );
}

#[tokio::test]
async fn retired_learnings_are_not_given_and_the_budget_holds() {
    let world = World::with(&[("LEARNINGS_HOLDOUT", "0"), ("LEARNINGS_TOKEN_BUDGET", "400")]).await;
    let mut ids = Vec::new();
    for number in 0..40 {
        let text = format!("The test of module {number} needs a database that is migrated and seeded before");
        let body = json!({ "repo": "octocat/hello", "kind": "gotcha", "text": text });
        let learning = world.post("/api/learnings", &body).await.expect(201);
        ids.push(learning["id"].as_str().unwrap().to_owned());
    }
    let wanted = json!({ "repo": "octocat/hello", "kind": "pattern", "text": "Greetings are translated in locales.json" });
    world.post("/api/learnings", &wanted).await.expect(201);
    let retired = json!({ "repo": "octocat/hello", "kind": "pattern", "text": "Translated greetings are in locales.yaml" });
    let retired = world.post("/api/learnings", &retired).await.expect(201);
    update(
        &world,
        retired["id"].as_str().unwrap(),
        &json!({ "retired": true }),
    )
    .await;

    let (_, received) = started(&world, "octocat/hello", "Greetings are translated into German").await;
    assert!(received.chars().count() <= 1600, "{received}");
    let first = received.lines().find(|line| line.starts_with("- L1 ")).unwrap();
    assert!(first.contains("locales.json"), "{received}");
    assert!(!received.contains("locales.yaml"), "{received}");

    let spec = "# Title\n\n## Tasks\n\n- [ ] Greetings are translated into German\n";
    let preview = json!({ "repo": "octocat/hello", "spec": spec });
    let preview = world.post("/api/learnings/preview", &preview).await.expect(200);
    assert_eq!(preview["hasVectors"], false);
    let best = &preview["items"][0];
    assert_eq!(
        (&best["query"], &best["learning"]["relevance"]["words"]),
        (
            &json!("Greetings are translated into German"),
            &json!(["greet", "translat"])
        )
    );
    let given = preview["items"].as_array().unwrap().len();
    assert_eq!(preview["omitted"].as_u64().unwrap() as usize + given, 41);

    let found = world
        .get("/api/learnings?repo=octocat/hello&q=translations&limit=3")
        .await
        .expect(200);
    assert_eq!(
        found["items"][0]["text"],
        "Greetings are translated in locales.json"
    );
    assert_eq!(found["nextCursor"], Value::Null);
}
