//! What a worker found out about its repository before it started an agent.

use serde_json::{Value, json};

use crate::world::{TestWorker, World, complete, worker_request};

const PATH: &str = "/api/repositories/octocat/hello/preflight";

fn report(outcome: &str) -> Value {
    json!({
        "base": "main",
        "checks": [
            { "subject": "repository", "outcome": "passed" },
            { "subject": "tools", "outcome": outcome, "message": "`go` is not installed\u{0}" },
        ],
    })
}

#[tokio::test]
async fn the_latest_preflight_of_a_repository_is_read() {
    let world = World::new().await;
    let worker = world.running().await;

    world
        .call(&worker, "preflight", &report("failed"))
        .await
        .expect(204);

    let found = world.get(PATH).await.expect(200);
    assert_eq!(
        (&found["repo"], &found["workItemId"], &found["workerId"]),
        (&json!("octocat/hello"), &json!(worker.item), &json!(worker.id))
    );
    assert_eq!(
        (&found["base"], &found["passed"]),
        (&json!("main"), &json!(false))
    );
    assert_eq!(found["checks"][1]["message"], "`go` is not installed\u{fffd}");
    let case = "/api/repositories/OctoCat/Hello/preflight";
    assert_eq!(world.get(case).await.expect(200), found);

    let next = world.running().await;
    world
        .call(&next, "preflight", &report("warning"))
        .await
        .expect(204);
    let latest = world.get(PATH).await.expect(200);
    assert_eq!(
        (&latest["passed"], &latest["workerId"]),
        (&json!(true), &json!(next.id))
    );
    assert_eq!(world.number("select count(*) from preflights").await, 1);
}

#[tokio::test]
async fn a_repository_that_no_attempt_examined_is_not_found() {
    let world = World::new().await;
    let answer = world.get(PATH).await;
    let message = answer.body["error"].as_str().unwrap().to_owned();
    assert_eq!(answer.expect_error(404), "not_found");
    assert!(
        message.contains("`whim-worker preflight octocat/hello` examines it"),
        "{message}"
    );
    let invalid = world.get("/api/repositories/octocat/..hello$/preflight").await;
    assert_eq!(invalid.expect_error(400), "invalid_request");
}

#[tokio::test]
async fn only_the_worker_that_has_the_item_reports_a_preflight_and_within_limits() {
    let world = World::new().await;
    let (one, other) = (world.running().await, world.running().await);
    let as_another = TestWorker {
        token: other.token.clone(),
        ..one.clone()
    };
    let refused = world.call(&as_another, "preflight", &report("passed")).await;
    assert_eq!(refused.expect_error(403), "forbidden");

    let long =
        json!({ "checks": [{ "subject": "rules", "outcome": "failed", "message": "x".repeat(8193) }] });
    let many = json!({ "checks": vec![json!({ "subject": "rules", "outcome": "passed" }); 51] });
    for body in [long, many] {
        let refused = world.call(&one, "preflight", &body).await;
        assert_eq!(refused.expect_error(400), "invalid_request");
    }

    world.call(&one, "complete", &complete()).await.expect(200);
    let late = world.call(&one, "preflight", &report("passed")).await;
    assert_eq!(late.expect_error(409), "lease_lost");
    assert_eq!(world.number("select count(*) from preflights").await, 0);
}

#[tokio::test]
async fn a_worker_gets_the_login_of_the_person_who_asked_at_github_and_no_other_name() {
    let world = World::new().await;
    for (source, expected) in [("github", json!("octo-ana")), ("api", Value::Null)] {
        let body = json!({ "repo": "octocat/hello", "spec": crate::world::SPEC, "requestedBy": "octo-ana",
            "source": source, "sourceRef": "7" });
        world.post("/api/work", &body).await.expect(201);
        let worker = world.claim().await.unwrap();

        let register = json!({ "workerId": worker.id, "nonce": "a-nonce" });
        let call = worker_request("/api/worker/register", &worker.token, &register);
        let registered = world.send_as_worker(call).await.expect(200);

        assert_eq!(registered["workItem"]["requestedBy"], expected, "{source}");
    }
}
