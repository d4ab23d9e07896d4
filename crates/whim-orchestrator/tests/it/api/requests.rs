//! Rules for every request on both listeners: methods, query parameters, sizes, and headers for browsers.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;
use whim_core::WorkItemId;
use whim_core::protocol::{PROTOCOL_VERSION, PROTOCOL_VERSION_HEADER};
use whim_orchestrator::http::openapi;

use crate::world::{Answer, World, request};

/// Path with an identifier in it, whether it is on the listener of the workers, and the methods with their
/// operations.
type Route = (String, bool, Vec<(Method, Value)>);

fn paths() -> Vec<Route> {
    let document = openapi::document();
    let id = WorkItemId::new().to_string();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            let methods =
                methods.map(|(name, operation)| (name.to_uppercase().parse().unwrap(), operation.clone()));
            let of_workers = path.starts_with("/api/worker/");
            (path.replace("{id}", &id), of_workers, methods.collect())
        })
        .collect()
}

/// So that the routes of gateways get past their credential.
const GATEWAY: [(&str, &str); 2] = [
    ("GATEWAY_URL", "http://127.0.0.1:1"),
    ("GATEWAY_KEY", "the-key-of-gateways"),
];

async fn ask(world: &World, of_workers: bool, method: Method, path: &str) -> Answer {
    let [(_, _), (_, key)] = GATEWAY;
    let mut asked = request(method, path).header(PROTOCOL_VERSION_HEADER, PROTOCOL_VERSION);
    if path.starts_with("/api/gateway/") {
        asked = asked.header("authorization", format!("Bearer {key}"));
    }
    let asked = asked.body(Body::empty()).unwrap();
    if of_workers {
        world.send_as_worker(asked).await
    } else {
        world.send(asked).await
    }
}

#[tokio::test]
async fn an_unsupported_method_is_answered_with_the_supported_ones() {
    let world = World::with(&GATEWAY).await;
    for (path, of_workers, methods) in paths() {
        for method in [Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
            if methods.iter().any(|(known, _)| known.as_str() == method.as_str()) {
                continue;
            }
            let refused = ask(&world, of_workers, method.clone(), &path).await;
            let allowed = refused.headers["allow"].to_str().unwrap().to_owned();
            for (known, _) in &methods {
                assert!(allowed.contains(known.as_str()), "{method} {path}: {allowed}");
            }
            assert_eq!(refused.expect_error(405), "method_not_allowed", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn head_returns_the_headers_of_get() {
    let world = World::new().await;
    for path in [
        "/health",
        "/api/status",
        "/api/work",
        "/api/queue",
        "/api/reviews",
    ] {
        let (whole, head) = (
            ask(&world, false, Method::GET, path).await,
            ask(&world, false, Method::HEAD, path).await,
        );
        assert_eq!((whole.status, head.status), (200, 200), "{path}");
        assert_eq!(head.body, Value::Null, "{path}");
        assert_eq!(
            whole.headers["content-type"], head.headers["content-type"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_unknown_query_parameter_is_refused_by_name() {
    let world = World::with(&GATEWAY).await;
    for (path, of_workers, methods) in paths() {
        for (method, operation) in methods {
            // Routes of workers check the credential first, and bodies their content type.
            if of_workers || operation["requestBody"]["required"] == Value::Bool(true) {
                continue;
            }
            let refused = ask(&world, false, method.clone(), &format!("{path}?colour=red")).await;
            assert_eq!(refused.expect_refused_field(), "colour", "{method} {path}");
        }
    }
    let twice = ask(&world, false, Method::GET, "/api/work?limit=1&limit=2").await;
    assert_eq!(twice.expect_refused_field(), "limit");
}

#[tokio::test]
async fn too_long_a_path_or_head_is_refused_before_authentication() {
    let world = World::with(&[("API_KEY", "a-long-api-key")]).await;
    let long = format!("/api/work?sourceRef={}", "x".repeat(9 * 1024));
    for of_workers in [false, true] {
        let refused = ask(&world, of_workers, Method::GET, &long).await;
        assert_eq!(refused.expect_error(414), "too_large");
        let mut many = request(Method::GET, "/api/work");
        for number in 0..40 {
            many = many.header(format!("x-filler-{number}"), "x".repeat(1024));
        }
        let many: Request<Body> = many.body(Body::empty()).unwrap();
        let refused = if of_workers {
            world.send_as_worker(many).await
        } else {
            world.send(many).await
        };
        assert_eq!(refused.expect_error(431), "too_large");
    }
}

#[tokio::test]
async fn every_answer_restricts_what_browsers_do_with_it() {
    let world = World::new().await;
    for (of_workers, path, status) in [
        (false, "/health", 200),
        (false, "/api/work", 200),
        (false, "/api/work/x", 400),
        (false, "/nowhere", 404),
        (true, "/api/worker/register", 405),
        (true, "/nowhere", 404),
    ] {
        let answer = ask(&world, of_workers, Method::GET, path).await;
        assert_eq!(answer.status, status, "{path}");
        let header = |name: &str| answer.headers[name].to_str().unwrap();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(
            header("content-security-policy"),
            "default-src 'none'; frame-ancestors 'none'",
            "{path}"
        );
        let lets_others_read = answer
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("access-control-"));
        assert!(!lets_others_read, "{path}: {:?}", answer.headers);
    }
}
