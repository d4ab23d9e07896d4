//! The login (docs/attacks.md, row 29).

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::{PASSWORD, World, cookie_of, error_of};

async fn world() -> World {
    World::with(&[("DASHBOARD_PASSWORD", PASSWORD)]).await
}

async fn state(world: &World, cookie: &str) -> Value {
    let request = world.request(Method::GET, "/session").header("cookie", cookie);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn on_loopback_without_a_password_no_login_is_required() {
    let world = World::with(&[]).await;
    assert_eq!(
        state(&world, "").await,
        json!({ "authenticated": true, "loginRequired": false })
    );
    let answer = world.attempt("anything").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn the_password_opens_a_session_until_the_logout() {
    let world = world().await;
    assert_eq!(
        state(&world, "").await,
        json!({ "authenticated": false, "loginRequired": true })
    );

    let answer = world.attempt(PASSWORD).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=604800"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let cookie = cookie_of(answer.headers());
    assert_eq!(
        answer.json::<Value>().await.unwrap(),
        json!({ "authenticated": true, "loginRequired": true })
    );
    assert_eq!(state(&world, &cookie).await["authenticated"], true);

    let logout = world
        .request(Method::DELETE, "/session")
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(logout.status(), StatusCode::NO_CONTENT);
    assert!(
        logout.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    // The cookie may have been copied.
    assert_eq!(state(&world, &cookie).await["authenticated"], false);
}

#[tokio::test]
async fn a_changed_cookie_is_no_session() {
    let world = world().await;
    let cookie = world.log_in().await;
    let mut characters: Vec<char> = cookie.chars().collect();
    for index in ["whim_session=".len(), cookie.len() / 2, cookie.len() - 1] {
        let original = characters[index];
        characters[index] = if original == 'A' { 'B' } else { 'A' };
        let changed: String = characters.iter().collect();
        assert_eq!(state(&world, &changed).await["authenticated"], false, "{changed}");
        characters[index] = original;
    }
    assert_eq!(state(&world, &cookie).await["authenticated"], true);
}

#[tokio::test]
async fn guesses_are_limited_and_existing_sessions_are_not_affected() {
    let world = world().await;
    let cookie = world.log_in().await;
    // At the same time, so that a count after the comparison would be too late.
    let guesses = (0..15).map(|number| {
        let guess = format!("a wrong password {number}");
        let world = &world;
        async move { world.attempt(&guess).await.status() }
    });
    let statuses = futures::future::join_all(guesses).await;
    let count = |status| statuses.iter().filter(|found| **found == status).count();
    assert_eq!(count(StatusCode::UNAUTHORIZED), 10, "{statuses:?}");
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 5, "{statuses:?}");

    let limited = world.attempt(PASSWORD).await;
    let retry_after: u64 = limited.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=601).contains(&retry_after), "{retry_after}");
    let (status, body) = error_of(limited).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(body["code"], "rate_limited");
    assert_eq!(body["details"]["retryAfterSeconds"], retry_after);
    assert_eq!(state(&world, &cookie).await["authenticated"], true);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_limited_separately_and_others_cannot_pretend_to_be() {
    let guess = async |world: &World, from: &str| {
        let request = world
            .request(Method::POST, "/session")
            .header("x-forwarded-for", from);
        request
            .json(&json!({ "password": "wrong" }))
            .send()
            .await
            .unwrap()
            .status()
    };
    let trusting = World::with(&[
        ("DASHBOARD_PASSWORD", PASSWORD),
        ("DASHBOARD_TRUSTED_PROXIES", "127.0.0.1"),
    ])
    .await;
    for _ in 0..10 {
        assert_eq!(guess(&trusting, "192.0.2.1").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(guess(&trusting, "192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        guess(&trusting, "203.0.113.7, 192.0.2.1").await,
        StatusCode::TOO_MANY_REQUESTS
    );
    assert_eq!(guess(&trusting, "192.0.2.2").await, StatusCode::UNAUTHORIZED);

    let world = world().await;
    for number in 0..10 {
        assert_eq!(
            guess(&world, &format!("192.0.2.{number}")).await,
            StatusCode::UNAUTHORIZED
        );
    }
    assert_eq!(guess(&world, "192.0.2.99").await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn behind_tls_the_cookie_is_secure() {
    let set_cookie = async |proxies: &str| {
        let settings = [
            ("DASHBOARD_PASSWORD", PASSWORD),
            ("DASHBOARD_TRUSTED_PROXIES", proxies),
        ];
        let world = World::with(&settings).await;
        let request = world
            .request(Method::POST, "/session")
            .header("x-forwarded-proto", "https");
        let answer = request
            .json(&json!({ "password": PASSWORD }))
            .send()
            .await
            .unwrap();
        answer.headers()["set-cookie"].to_str().unwrap().to_owned()
    };
    assert!(set_cookie("127.0.0.0/8").await.contains("Secure"));
    assert!(!set_cookie("192.0.2.0/24").await.contains("Secure"));
}

#[tokio::test]
async fn a_login_that_is_none_is_refused_without_repeating_it() {
    let world = world().await;
    for body in [
        "",
        "{",
        "[]",
        "{\"password\": 12345678901234}",
        "{\"password\": \"x\", \"secret\": \"y\"}",
    ] {
        let request = world
            .request(Method::POST, "/session")
            .header("content-type", "application/json");
        let (status, answer) = error_of(request.body(body).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(!answer.to_string().contains("12345"), "{answer}");
    }
    let form = world
        .request(Method::POST, "/session")
        .header("content-type", "text/plain");
    let body = format!("{{\"password\": \"{PASSWORD}\"}}");
    assert_eq!(
        form.body(body).send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        world.attempt(&"x".repeat(5000)).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        world.attempt(&"x".repeat(50_000)).await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(world.attempt(PASSWORD).await.status(), StatusCode::OK);
}
