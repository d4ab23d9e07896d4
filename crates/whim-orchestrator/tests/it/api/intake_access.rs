//! What the intake may do with its credentials.

use serde_json::{Value, json};

use crate::world::World;

const PATH: &str = "/api/intake/access";

fn access(problem: Option<&str>) -> Value {
    json!({
        "token": {
            "account": { "id": 7, "login": "whim-bot" },
            "expiresAt": "2199-01-01T00:00:00Z",
            "scopes": ["repo"],
            "problem": problem,
        },
        "repositories": [{
            "repo": "octocat/hello",
            "contents": "granted", "issues": "granted", "pullRequests": "unknown", "problems": [],
        }],
        "specModel": { "model": "claude-opus", "problem": null },
    })
}

#[tokio::test]
async fn the_status_shows_the_latest_report_of_the_intake_and_warns_of_its_problems() {
    let world = World::new().await;
    let status = world.get("/api/status").await.expect(200);
    assert_eq!(status["intake"], Value::Null);

    world.put(PATH, &access(None)).await.expect(204);

    let status = world.get("/api/status").await.expect(200);
    assert_eq!(status["intake"]["access"], access(None));
    assert!(status["intake"]["reportedAt"].is_string(), "{status:#}");
    assert_eq!(status["warnings"], json!([]));

    let later = access(Some("GitHub does not accept it; create another one"));
    world.put(PATH, &later).await.expect(204);

    let status = world.get("/api/status").await.expect(200);
    assert_eq!(status["intake"]["access"], later);
    assert_eq!(
        status["warnings"],
        json!(["GITHUB_TOKEN of the intake: GitHub does not accept it; create another one."])
    );
    assert_eq!(world.number("select count(*) from intake_access").await, 1);
}

#[tokio::test]
async fn a_wrong_report_is_refused_with_the_field_and_changes_nothing() {
    let world = World::new().await;
    let long = "x".repeat(1001);
    let mut too_many = access(None);
    too_many["repositories"] = json!(vec![too_many["repositories"][0].clone(); 1001]);
    let mut unnamed = access(None);
    unnamed["specModel"]["model"] = json!("");
    let mut unknown = access(None);
    unknown["token"]["value"] = json!("ghp_secret");
    for (body, field) in [
        (access(Some(&long)), "token.problem"),
        (access(Some("a\u{0}b")), "token"),
        (too_many, "repositories"),
        (unnamed, "specModel.model"),
        (unknown, "value"),
    ] {
        let answer = world.put(PATH, &body).await;
        let message = answer.body.to_string();
        assert_eq!(answer.expect_error(400), "invalid_request", "{message}");
        assert!(message.contains(field), "{field} in {message}");
        assert!(!message.contains("ghp_secret"), "{message}");
    }
    assert_eq!(world.number("select count(*) from intake_access").await, 0);
}
