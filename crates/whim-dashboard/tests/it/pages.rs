//! Pages, files and their caching.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use whim_dashboard::assets::Assets;

use crate::world::{INDEX, World, built, config, error_of};

const SCRIPT: &str = "/assets/index-DiwrgTda.js";

async fn world() -> World {
    World::with(&[]).await
}

#[tokio::test]
async fn every_page_is_the_index_with_a_strict_policy() {
    let world = world().await;
    for path in [
        "/",
        "/login",
        "/workers",
        "/queue",
        "/work/0193a5c0-0000-7000-8000-000000000000",
        "/metrics?range=7d",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let headers = answer.headers().clone();
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-cache");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(
            headers["permissions-policy"]
                .to_str()
                .unwrap()
                .contains("camera=()")
        );
        assert!(!headers.contains_key("access-control-allow-origin"));
        let policy = headers["content-security-policy"].to_str().unwrap();
        for directive in [
            "default-src 'none'",
            "script-src 'self';",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "report-uri /csp-report",
        ] {
            assert!(policy.contains(directive), "{directive} in {policy}");
        }
        assert!(
            !policy.contains("unsafe-eval") && !policy.contains("http"),
            "{policy}"
        );
        assert_eq!(answer.text().await.unwrap(), INDEX, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_page_is_the_index_with_404_and_a_missing_file_is_not() {
    let world = world().await;
    let page = world.get("/nonsense").await;
    assert_eq!(page.status(), StatusCode::NOT_FOUND);
    assert_eq!(page.text().await.unwrap(), INDEX);
    for path in [
        "/assets/index-OLDhash1.js",
        "/assets/",
        "/assets/missing",
        "/robots.txt",
        "/work/x.js",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(
            answer.headers()["content-type"],
            "text/plain; charset=utf-8",
            "{path}"
        );
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
        assert_ne!(answer.text().await.unwrap(), INDEX, "{path}");
    }
}

#[tokio::test]
async fn hashed_files_are_immutable_and_others_are_revalidated() {
    let world = world().await;
    let script = world.get(SCRIPT).await;
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(
        script.headers()["cache-control"],
        "public, max-age=31536000, immutable"
    );
    assert_eq!(
        world.get("/favicon.svg").await.headers()["cache-control"],
        "no-cache"
    );

    let page = world.get("/").await;
    let tag = page.headers()["etag"].to_str().unwrap().to_owned();
    let again = world
        .request(Method::GET, "/queue")
        .header("if-none-match", &tag)
        .send()
        .await
        .unwrap();
    for name in ["content-security-policy", "cache-control", "etag"] {
        assert_eq!(again.headers().get(name), page.headers().get(name), "{name}");
    }
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()["etag"], tag.as_str());
    assert_eq!(again.text().await.unwrap(), "");
}

#[tokio::test]
async fn files_are_sent_compressed_to_those_that_accept_it() {
    let world = world().await;
    let plain = world.get(SCRIPT).await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain_tag = plain.headers()["etag"].clone();
    let plain_length = plain.bytes().await.unwrap().len();

    let compressed = world
        .request(Method::GET, SCRIPT)
        .header("accept-encoding", "gzip, deflate, br")
        .send()
        .await
        .unwrap();
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    assert_eq!(compressed.headers()["vary"], "accept-encoding");
    assert_ne!(compressed.headers()["etag"], plain_tag);
    assert!(compressed.bytes().await.unwrap().len() < plain_length / 4);
}

#[tokio::test]
async fn head_is_answered_as_get_without_a_body_and_ranges_are_ignored() {
    let world = world().await;
    let get = world.get(SCRIPT).await;
    let head = world.request(Method::HEAD, SCRIPT).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    for name in ["content-type", "content-length", "etag", "cache-control"] {
        assert_eq!(head.headers().get(name), get.headers().get(name), "{name}");
    }
    assert_eq!(head.bytes().await.unwrap().len(), 0);

    let ranged = world
        .request(Method::GET, SCRIPT)
        .header("range", "bytes=0-9")
        .send()
        .await
        .unwrap();
    assert_eq!(ranged.status(), StatusCode::OK);
    assert_eq!(ranged.bytes().await.unwrap(), get.bytes().await.unwrap());
}

#[tokio::test]
async fn only_built_files_are_served_whatever_the_path() {
    let world = world().await;
    for path in [
        "/../../../../etc/passwd",
        "/assets/../../../etc/passwd",
        "/assets/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/assets/index-DiwrgTda.js/../../Cargo.toml",
        "/./Cargo.toml",
        "/assets/\\..\\..\\Cargo.toml",
        "/favicon.svg%00.html",
    ] {
        let answer = world
            .raw(&format!(
                "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            ))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") || answer.starts_with("HTTP/1.1 400 "),
            "{path}: {answer}"
        );
        assert!(
            !answer.contains("root:") && !answer.contains("[package]"),
            "{path}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_page_is_only_read() {
    let world = world().await;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = world.request(method, "/queue").send().await.unwrap();
        let (status, body) = error_of(answer).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(body["code"], "method_not_allowed");
    }
}

#[tokio::test]
async fn without_pages_the_answer_says_how_to_build_them() {
    let nothing: [(String, Bytes); 0] = [];
    let world = World::with_config(config(&[]), Assets::from_files(nothing).unwrap()).await;
    let answer = world.get("/").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let text = answer.text().await.unwrap();
    assert!(
        text.contains("npm ci && npm run build") && text.lines().count() == 1,
        "{text}"
    );
    assert_eq!(world.get("/session").await.status(), StatusCode::OK);
}

#[test]
fn the_pages_of_this_build_can_be_read() {
    // They may be missing, but not half there.
    let assets = Assets::built().unwrap();
    assert_eq!(
        assets.are_built(),
        std::path::Path::new("../../dashboard/dist/index.html").exists()
    );
    assert!(built().are_built());
}
