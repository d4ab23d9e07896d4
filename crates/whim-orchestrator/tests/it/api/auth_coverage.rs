//! Every route of the document refuses callers without credentials. The document is generated from the routers, so new
//! routes are covered.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use whim_core::WorkItemId;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_orchestrator::http::openapi;

use crate::world::{World, request, with_json};

/// Routes that need no credential.
const PUBLIC: [&str; 1] = ["/health"];

/// Method, path with an identifier in it, and whether it is on the listener of the workers.
fn routes() -> Vec<(Method, String, bool)> {
    let document = openapi::document();
    let id = WorkItemId::new().to_string();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let of_workers = path.starts_with("/api/worker/");
            routes.push((method, path.replace("{id}", &id), of_workers));
        }
    }
    assert!(routes.len() > 15, "{routes:?}");
    routes
}

fn is_public(path: &str) -> bool {
    PUBLIC.contains(&path)
}

#[tokio::test]
async fn with_a_key_every_route_of_the_api_refuses_callers_without_it() {
    let world = World::with(&[("API_KEY", "a-long-api-key")]).await;
    let unknown = (Method::GET, "/api/there-is-no-such-route".to_owned(), false);
    for (method, path, of_workers) in routes().into_iter().chain([unknown]) {
        if of_workers || is_public(&path) {
            continue;
        }
        for credential in [
            None,
            Some(("authorization", "Bearer ")),
            Some(("authorization", "Bearer a-wrong-api-key")),
            Some(("authorization", "a-long-api-key")),
            Some(("authorization", "Basic a-long-api-key")),
            Some(("x-api-key", "")),
            Some(("x-api-key", "a-long-api-ke")),
        ] {
            let mut stranger = request(method.clone(), &path);
            if let Some((name, value)) = credential {
                stranger = stranger.header(name, value);
            }
            let answer = world.send(with_json(stranger, &json!({}))).await;
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{method} {path}");
            assert_eq!(
                answer.expect_error(401),
                "unauthorized",
                "{method} {path} with {credential:?}"
            );
        }
    }
    world.get("/health").await.expect(200);
}

#[tokio::test]
async fn without_a_key_every_route_of_the_api_refuses_foreign_hosts_and_pages() {
    let world = World::new().await;
    for (method, path, of_workers) in routes() {
        if of_workers {
            continue;
        }
        for (host, origin) in [
            ("evil.example", None),
            ("localhost:3002", Some("https://evil.example")),
        ] {
            let mut stranger = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header("host", host);
            if let Some(origin) = origin {
                stranger = stranger.header("origin", origin);
            }
            let answer = world.send(with_json(stranger, &json!({}))).await;
            assert_eq!(
                answer.expect_error(403),
                "forbidden",
                "{method} {path} from {host}"
            );
        }
    }
}

#[tokio::test]
async fn every_route_of_the_workers_refuses_a_missing_token_and_that_of_another_worker() {
    let world = World::new().await;
    let other = world.running().await;
    for (method, path, of_workers) in routes() {
        if !of_workers {
            continue;
        }
        for credential in [None, Some("Bearer "), Some("Bearer none")] {
            let mut stranger =
                request(method.clone(), &path).header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION);
            if let Some(credential) = credential {
                stranger = stranger.header("authorization", credential);
            }
            let answer = world.send_as_worker(with_json(stranger, &json!({}))).await;
            assert_eq!(
                answer.expect_error(401),
                "unauthorized",
                "{method} {path} with {credential:?}"
            );
        }
        let body = json!({ "workerId": WorkItemId::new(), "nonce": "nonce" });
        let theirs = request(method.clone(), &path)
            .header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION)
            .header("authorization", format!("Bearer {}", other.token));
        let answer = world.send_as_worker(with_json(theirs, &body)).await;
        assert_eq!(answer.expect_error(403), "forbidden", "{method} {path}");
    }
}

#[tokio::test]
async fn routes_of_workers_are_not_on_the_listener_of_the_api() {
    let world = World::new().await;
    for (method, path, of_workers) in routes() {
        let ask = |router_of_workers: bool| {
            let builder = request(method.clone(), &path).header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION);
            (router_of_workers, builder.body(Body::empty()).unwrap())
        };
        let (there, asked) = ask(!of_workers);
        let answer = if there {
            world.send_as_worker(asked).await
        } else {
            world.send(asked).await
        };
        assert_eq!(answer.expect_error(404), "not_found", "{method} {path}");
    }
}
