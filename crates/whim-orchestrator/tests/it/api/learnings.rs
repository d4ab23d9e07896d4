//! Learnings: pages, and changes by people.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::http::Method;
use serde_json::{Value, json};
use whim_core::LearningId;

use crate::world::{Answer, World, request, with_json};

async fn add(world: &World, repo: &str, kind: &str) -> String {
    let id = LearningId::new();
    sqlx::query(
        "insert into learnings (id, repo, kind, text, embedding)
         values ($1, $2, $3, 'Run the tests', array_fill(0.5, array[384])::vector)",
    )
    .bind(id.as_uuid())
    .bind(repo)
    .bind(kind)
    .execute(&world.pool)
    .await
    .unwrap();
    id.to_string()
}

async fn update(world: &World, id: &str, change: &Value) -> Answer {
    let path = format!("/api/learnings/{id}");
    world.send(with_json(request(Method::PATCH, &path), change)).await
}

async fn ids(world: &World, query: &str) -> Vec<String> {
    let page = world.get(&format!("/api/learnings?{query}")).await.expect(200);
    ids_of(&page)
}

fn ids_of(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn learnings_are_listed_in_pages_newest_first() {
    let world = World::new().await;
    let mut made = Vec::new();
    for (repo, kind) in [
        ("octocat/hello", "pattern"),
        ("octocat/other", "gotcha"),
        ("octocat/hello", "gotcha"),
    ] {
        made.push(add(&world, repo, kind).await);
    }

    let page = world.get("/api/learnings?limit=2").await.expect(200);
    assert_eq!(ids_of(&page), [made[2].clone(), made[1].clone()]);
    let next = page["nextCursor"].as_str().unwrap();
    let page = world
        .get(&format!("/api/learnings?limit=2&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(
        (ids_of(&page), &page["nextCursor"]),
        (vec![made[0].clone()], &Value::Null)
    );
    assert_eq!(
        ids(&world, "repo=Octocat/Hello&kind=gotcha").await,
        [made[2].as_str()]
    );
    for (query, field) in [
        ("kind=rumour", "kind"),
        ("state=lost", "state"),
        ("limit=201", "limit"),
        ("colour=red", "colour"),
    ] {
        let refused = world.get(&format!("/api/learnings?{query}")).await;
        assert_eq!(refused.expect_refused_field(), field);
    }
}

#[tokio::test]
async fn a_learning_is_edited_pinned_and_retired_and_back() {
    let world = World::new().await;
    let (first, second) = (
        add(&world, "octocat/hello", "pattern").await,
        add(&world, "octocat/hello", "gotcha").await,
    );

    let edited = update(&world, &first, &json!({ "text": "Run `make test`" }))
        .await
        .expect(200);
    assert_eq!(
        (&edited["text"], &edited["pinnedAt"], &edited["retiredAt"]),
        (&json!("Run `make test`"), &Value::Null, &Value::Null)
    );
    assert_ne!(edited["updatedAt"], edited["createdAt"]);
    // Computed from the previous text.
    let embedded = "select count(*) from learnings where embedding is not null";
    assert_eq!(world.number(embedded).await, 1);

    let pinned = update(&world, &first, &json!({ "pinned": true }))
        .await
        .expect(200);
    assert_eq!(pinned["text"], "Run `make test`");
    let again = update(&world, &first, &json!({ "pinned": true }))
        .await
        .expect(200);
    assert_eq!(again["pinnedAt"], pinned["pinnedAt"]);
    assert_eq!(ids(&world, "state=pinned").await, [first.as_str()]);

    update(&world, &first, &json!({ "retired": true }))
        .await
        .expect(200);
    assert_eq!(ids(&world, "").await, [second.as_str()]);
    assert_eq!(ids(&world, "state=current").await, [second.as_str()]);
    assert_eq!(ids(&world, "state=retired").await, [first.as_str()]);
    assert_eq!(ids(&world, "state=pinned").await, Vec::<String>::new());

    let back = update(&world, &first, &json!({ "retired": false, "pinned": false }))
        .await
        .expect(200);
    assert_eq!(
        (&back["pinnedAt"], &back["retiredAt"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(ids(&world, "").await, [second, first]);
}

#[tokio::test]
async fn changes_of_learnings_that_cannot_be_made_are_refused() {
    let world = World::new().await;
    let id = add(&world, "octocat/hello", "pattern").await;
    for (change, field) in [
        (json!({ "text": " " }), "text"),
        (json!({ "text": "x".repeat(4097) }), "text"),
        (json!({ "text": "a\0b" }), "text"),
        (json!({ "pinned": "yes" }), "pinned"),
        (json!({ "kind": "gotcha" }), "kind"),
    ] {
        assert_eq!(update(&world, &id, &change).await.expect_refused_field(), field);
    }
    let unchanged = update(&world, &id, &json!({})).await.expect(200);
    assert_eq!(unchanged["text"], "Run the tests");
    let unknown = LearningId::new().to_string();
    let answer = update(&world, &unknown, &json!({ "pinned": true })).await;
    assert_eq!(answer.expect_error(404), "not_found");
}
