//! Event streams.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use reqwest::Response;
use tokio::net::TcpStream;

use crate::upstream::{Upstream, begin_stream, send_event, until_closed};
use crate::world::{PASSWORD, TIMEOUT, World, built, config};

const EVENTS: &str = "/api/events";

/// The text of the next chunk; `None` at the end of the stream.
async fn next(stream: &mut Response) -> Option<String> {
    let chunk = tokio::time::timeout(TIMEOUT, stream.chunk())
        .await
        .expect("no event arrives");
    chunk
        .unwrap()
        .map(|chunk| String::from_utf8(chunk.to_vec()).unwrap())
}

/// A stream of a browser, and the orchestrator's side of it.
async fn open(world: &World, upstream: &mut Upstream, cookie: &str) -> (Response, TcpStream) {
    let request = world
        .request(Method::GET, EVENTS)
        .header("cookie", cookie)
        .header("last-event-id", "41");
    let serve = async {
        let mut connection = upstream.connection().await;
        begin_stream(&mut connection).await;
        connection
    };
    let (answer, connection) = tokio::join!(request.send(), serve);
    (answer.unwrap(), connection)
}

#[tokio::test]
async fn events_arrive_one_by_one_and_the_last_identifier_is_passed_on() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    let (mut stream, mut connection) = open(&world, &mut upstream, "").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(stream.headers()["x-accel-buffering"], "no");
    assert!(!stream.headers().contains_key("content-encoding"));
    for id in 42..45 {
        send_event(&mut connection, id).await;
        assert_eq!(
            next(&mut stream).await.unwrap(),
            format!("id: {id}\nevent: item\ndata: {{}}\n\n")
        );
    }
    assert!(upstream.heads()[0].contains("last-event-id: 41\r\n"));
}

#[tokio::test]
async fn a_browser_that_leaves_closes_the_stream_to_the_orchestrator() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    let (mut stream, mut connection) = open(&world, &mut upstream, "").await;
    send_event(&mut connection, 42).await;
    next(&mut stream).await.unwrap();
    drop(stream);
    until_closed(&mut connection).await;
}

#[tokio::test]
async fn a_stream_ends_with_the_orchestrator_and_another_begins_when_it_is_back() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    let (mut stream, mut connection) = open(&world, &mut upstream, "").await;
    send_event(&mut connection, 42).await;
    next(&mut stream).await.unwrap();
    drop(connection);
    let end = tokio::time::timeout(TIMEOUT, stream.chunk())
        .await
        .expect("the stream stays open");
    assert!(end.is_err(), "{end:?}");
    let (mut stream, mut connection) = open(&world, &mut upstream, "").await;
    send_event(&mut connection, 43).await;
    assert!(next(&mut stream).await.unwrap().contains("id: 43"));
}

#[tokio::test]
async fn streams_end_when_the_dashboard_stops() {
    let mut upstream = Upstream::start().await;
    let world = World::before_url(&upstream.url).await;
    let (mut stream, mut connection) = open(&world, &mut upstream, "").await;
    send_event(&mut connection, 42).await;
    next(&mut stream).await.unwrap();
    let (end, ()) = tokio::join!(next(&mut stream), world.stop());
    assert_eq!(end, None);
    until_closed(&mut connection).await;
}

#[tokio::test]
async fn streams_end_with_the_session_that_logs_out_and_others_go_on() {
    let mut upstream = Upstream::start().await;
    let world = World::with(&[
        ("ORCHESTRATOR_URL", &upstream.url),
        ("DASHBOARD_PASSWORD", PASSWORD),
    ])
    .await;
    let (cookie, other_cookie) = (world.log_in().await, world.log_in().await);
    let (mut stream, mut connection) = open(&world, &mut upstream, &cookie).await;
    let (mut other, mut other_connection) = open(&world, &mut upstream, &other_cookie).await;
    let log_out = world
        .request(Method::DELETE, "/session")
        .header("cookie", &cookie);
    assert_eq!(log_out.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(next(&mut stream).await, None);
    until_closed(&mut connection).await;
    send_event(&mut other_connection, 42).await;
    assert!(next(&mut other).await.is_some());
}

#[tokio::test]
async fn streams_end_when_their_session_expires() {
    let mut upstream = Upstream::start().await;
    let mut config = config(&[
        ("ORCHESTRATOR_URL", &upstream.url),
        ("DASHBOARD_PASSWORD", PASSWORD),
    ]);
    config.login.as_mut().unwrap().session = Duration::from_secs(2);
    let world = World::with_config(config, built()).await;
    let cookie = world.log_in().await;
    let (mut stream, _connection) = open(&world, &mut upstream, &cookie).await;
    assert_eq!(next(&mut stream).await, None);
    let again = world
        .request(Method::GET, EVENTS)
        .header("cookie", &cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), StatusCode::UNAUTHORIZED);
}
