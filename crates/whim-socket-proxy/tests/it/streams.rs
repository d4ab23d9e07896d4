//! Long-lived connections: a worker's input, events, an unavailable engine.

use std::time::Duration;

use bollard::models::EventMessage;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, EventsOptions,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions, StopContainerOptionsBuilder,
};
use futures::StreamExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::world::{ID, INSTANCE, NAME, PATIENCE, World, config, with_worker};

/// The calls of `whim-orchestrator`'s runtime, in its order and with its client.
#[tokio::test]
async fn the_calls_of_a_workers_whole_life_are_forwarded() {
    let world = World::new();
    let docker = world.docker();
    world.has_workspace();
    world.has_worker();

    docker.version().await.unwrap();
    docker.inspect_image("whim-worker:1").await.unwrap();
    docker.inspect_network("whim-workers", None).await.unwrap();
    docker
        .create_network(whim_containers::network(&config().network, INSTANCE))
        .await
        .unwrap();
    docker
        .create_volume(with_worker(whim_containers::volume))
        .await
        .unwrap();
    let options = CreateContainerOptionsBuilder::new().name(NAME).build();
    let body = with_worker(|worker| whim_containers::container(worker, &config()));
    let id = docker.create_container(Some(options), body).await.unwrap().id;
    let attach = AttachContainerOptionsBuilder::new()
        .stdin(true)
        .stream(true)
        .build();
    let mut attached = docker.attach_container(&id, Some(attach)).await.unwrap();
    docker.start_container(&id, None).await.unwrap();
    attached.input.write_all(b"an archive").await.unwrap();
    attached.input.shutdown().await.unwrap();
    let options = StopContainerOptionsBuilder::new().t(10).build();
    docker.stop_container(&id, Some(options)).await.unwrap();
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    docker.remove_container(NAME, Some(options)).await.unwrap();
    docker
        .remove_volume(NAME, None::<RemoveVolumeOptions>)
        .await
        .unwrap();

    let asked = world.asked();
    let created = asked
        .iter()
        .find(|asked| asked.line.starts_with("POST /containers/create"))
        .unwrap();
    let body =
        with_worker(|worker| serde_json::to_value(whim_containers::container(worker, &config())).unwrap());
    assert_eq!(created.line, format!("POST /containers/create?name={NAME}"));
    assert_eq!(created.body, body.to_string().as_bytes());
}

#[tokio::test]
async fn the_input_of_a_container_is_forwarded_with_its_end() {
    let world = World::new();
    world.has_worker();
    let mut stream = UnixStream::connect(&world.socket).await.unwrap();
    let head = format!(
        "POST /containers/{ID}/attach?stdin=true&stream=true HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: tcp\r\nContent-Length: 0\r\n\r\n"
    );
    let conversation = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut begin = Vec::new();
        while !begin.ends_with(b"hello\n") {
            begin.push(stream.read_u8().await.unwrap());
        }
        let begin = String::from_utf8(begin).unwrap();
        assert!(
            begin.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
            "{begin}"
        );
        // More than any buffer on the way holds.
        let archive = vec![7; 3 << 20];
        stream.write_all(&archive).await.unwrap();
        stream.shutdown().await.unwrap();
        // What is said after the end of the other side's words arrives.
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await.unwrap();
        assert!(heard == archive, "{} bytes", heard.len());
    };
    tokio::time::timeout(PATIENCE, conversation).await.unwrap();
}

#[tokio::test]
async fn attaching_requires_an_upgrade() {
    let world = World::new();
    world.has_worker();
    let (status, answer) = world
        .call("POST", &format!("/containers/{ID}/attach?stdin=true"))
        .await;
    assert_eq!(status, 403, "{answer}");
    assert_eq!(world.lines(), [format!("GET /containers/{ID}/json")]);
}

/// `docs/faults.md`, row 8.
#[tokio::test]
async fn an_idle_event_stream_is_not_closed() {
    let world = World::new();
    let docker = world.docker();
    let mut events = docker.events(None::<EventsOptions>).boxed();
    let mut next = async || -> EventMessage { events.next().await.unwrap().unwrap() };
    let die = json!({ "Type": "container", "Action": "die" });
    futures::join!(next(), world.tell_whoever_listens(&die));

    tokio::time::pause();
    for _ in 0..24 {
        tokio::time::advance(Duration::from_hours(1)).await;
        tokio::task::yield_now().await;
    }
    tokio::time::resume();

    let (event, ()) = futures::join!(next(), world.tell_whoever_listens(&die));
    assert_eq!(event.action.as_deref(), Some("die"));
}

#[tokio::test]
async fn an_unavailable_engine_is_reported() {
    let mut world = World::new();
    assert_eq!(world.call("GET", "/_ping").await, (200, "OK".to_owned()));

    world.stop_engine().await;

    let (status, answer) = world.call("GET", "/_ping").await;
    assert_eq!(status, 502, "{answer}");
    assert!(
        answer.contains("the container engine does not answer the socket proxy at /"),
        "{answer}"
    );
}
