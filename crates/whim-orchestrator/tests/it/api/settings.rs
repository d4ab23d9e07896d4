//! Effective settings.

use serde_json::{Value, json};

use crate::world::{World, request};
use axum::body::Body;
use axum::http::Method;

#[tokio::test]
async fn settings_are_shown_with_their_values_and_without_secrets() {
    let world = World::with(&[
        ("API_KEY", "canary-api-key"),
        ("MAX_WORKERS", "3"),
        ("HTTPS_PROXY", "http://user:canary-proxy@proxy.example:3128"),
    ])
    .await;
    let asked = request(Method::GET, "/api/settings").header("authorization", "Bearer canary-api-key");
    let answer = world.send(asked.body(Body::empty()).unwrap()).await.expect(200);

    let setting = |name: &str| -> &Value {
        let settings = answer["settings"].as_array().unwrap();
        settings
            .iter()
            .find(|setting| setting["name"] == name)
            .unwrap_or_else(|| panic!("{name} is missing: {answer:#}"))
    };
    assert_eq!(
        setting("MAX_WORKERS"),
        &json!({ "name": "MAX_WORKERS", "value": "3", "isSet": true, "isSecret": false })
    );
    assert_eq!(
        setting("BREAKER_THRESHOLD"),
        &json!({ "name": "BREAKER_THRESHOLD", "value": "5", "isSet": false, "isSecret": false })
    );
    assert_eq!(
        setting("CLAUDE_MODEL"),
        &json!({ "name": "CLAUDE_MODEL", "value": null, "isSet": false, "isSecret": false })
    );
    for name in ["API_KEY", "GITHUB_TOKEN", "ANTHROPIC_API_KEY"] {
        assert_eq!(
            setting(name),
            &json!({ "name": name, "value": null, "isSet": true, "isSecret": true })
        );
    }
    // A secret that is not set is one, too.
    assert_eq!(
        setting("CLAUDE_CODE_OAUTH_TOKEN"),
        &json!({ "name": "CLAUDE_CODE_OAUTH_TOKEN", "value": null, "isSet": false, "isSecret": true })
    );
    let text = answer.to_string();
    for secret in ["canary", "a-github-token", "an-anthropic-key"] {
        assert!(!text.contains(secret), "{secret}: {answer:#}");
    }
}
