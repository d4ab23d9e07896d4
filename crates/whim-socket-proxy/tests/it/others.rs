//! What belongs to others.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::HashMap;

use bollard::query_parameters::{
    EventsOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
};
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::world::{ID, INSTANCE, NAME, World};

/// Path and query of the last request to the engine, with the query decoded.
fn last(world: &World) -> (String, HashMap<String, String>) {
    let line = world.lines().pop().unwrap();
    let (path, query) = line.split_once('?').unwrap();
    let query = url::form_urlencoded::parse(query.as_bytes());
    (path.to_owned(), query.into_owned().collect())
}

fn filters(world: &World) -> Value {
    let (_, query) = last(world);
    serde_json::from_str(&query["filters"]).unwrap()
}

#[tokio::test]
async fn containers_of_other_programs_can_neither_be_inspected_nor_changed() {
    let world = World::new();
    let other = "b".repeat(64);
    world.has_container(
        &other,
        "whim-postgres-1",
        &json!({ "com.docker.compose.project": "whim" }),
    );
    world.has_container(&"c".repeat(64), "bare", &Value::Null);

    for reference in [other.as_str(), "whim-postgres-1", "bare"] {
        for line in [
            "GET /containers/X/json",
            "GET /containers/X/logs?stdout=true",
            "POST /containers/X/start",
            "POST /containers/X/stop?t=1",
            "POST /containers/X/attach?stdin=true",
            "DELETE /containers/X?force=true",
        ] {
            let line = line.replace('X', reference);
            let (method, path) = line.split_once(' ').unwrap();
            let (status, answer) = world.call(method, path).await;
            assert_eq!(status, 403, "{line}: {answer}");
        }
    }
    // It was only looked whose they are.
    let lines = world.lines();
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("GET /containers/") && line.ends_with("/json")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_action_applies_to_the_container_that_was_inspected() {
    let world = World::new();
    world.has_worker();

    for (line, handed) in [
        ("GET /containers/X/json", "GET /containers/ID/json?"),
        (
            "GET /containers/X/logs?tail=10&stdout=true",
            "GET /containers/ID/logs?stdout=true&tail=10",
        ),
        ("POST /containers/X/start", "POST /containers/ID/start?"),
        ("POST /containers/X/stop?t=7", "POST /containers/ID/stop?t=7"),
        (
            "DELETE /containers/X?force=true&link=false&v=true",
            "DELETE /containers/ID?force=true&link=false&v=true",
        ),
    ] {
        let line = line.replace('X', NAME);
        let (method, path) = line.split_once(' ').unwrap();
        let (status, answer) = world.call(method, path).await;
        assert!(matches!(status, 200 | 204), "{line}: {status} {answer}");
        // The name may be reused meanwhile.
        assert_eq!(world.lines().pop().unwrap(), handed.replace("ID", ID));
    }
}

#[tokio::test]
async fn a_missing_resource_is_answered_with_the_engines_own_error() {
    let world = World::new();
    let (status, answer) = world.call("POST", "/containers/missing/start").await;
    assert_eq!(
        (status, answer.as_str()),
        (404, r#"{"message":"No such object: missing"}"#)
    );
}

#[tokio::test]
async fn only_volumes_of_whim_can_be_removed() {
    let world = World::new();
    let volume = |labels: Value| json!({ "Driver": "local", "Options": null, "Labels": labels });
    world.has_volume(
        "whim_postgres",
        volume(json!({ "com.docker.compose.project": "whim" })),
    );
    world.has_volume("bare", volume(Value::Null));
    world.has_workspace();

    assert_eq!(world.call("DELETE", "/volumes/whim_postgres").await.0, 403);
    assert_eq!(world.call("DELETE", "/volumes/bare").await.0, 403);
    assert_eq!(world.call("DELETE", "/volumes/nothing").await.0, 404);
    assert_eq!(world.call("DELETE", &format!("/volumes/{NAME}")).await.0, 204);

    let removed: Vec<String> = world
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("DELETE"))
        .collect();
    assert_eq!(removed, [format!("DELETE /volumes/{NAME}")]);
}

#[tokio::test]
async fn only_networks_of_whim_can_be_removed() {
    let world = World::new();
    world.has_network("whim_data", "a", &json!({ "com.docker.compose.project": "whim" }));
    world.has_network("bare", "b", &Value::Null);
    world.has_network("whim-old", "c", &json!({ "whim.instance": INSTANCE }));

    assert_eq!(world.call("DELETE", "/networks/whim_data").await.0, 403);
    assert_eq!(world.call("DELETE", "/networks/bare").await.0, 403);
    assert_eq!(world.call("DELETE", "/networks/nothing").await.0, 404);
    assert_eq!(world.call("DELETE", "/networks/whim-old").await.0, 204);

    let removed: Vec<String> = world
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("DELETE"))
        .collect();
    // The name may be reused meanwhile.
    assert_eq!(removed, ["DELETE /networks/c"]);
}

#[tokio::test]
async fn lists_contain_only_resources_of_whim() {
    let world = World::new();
    let docker = world.docker();

    docker
        .list_containers(Some(ListContainersOptionsBuilder::new().all(true).build()))
        .await
        .unwrap();
    assert_eq!(filters(&world), json!({ "label": ["whim.instance"] }));

    let own = whim_containers::instance_filter(INSTANCE);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&own)
        .build();
    docker.list_containers(Some(options)).await.unwrap();
    let ours = json!({ "label": ["whim.instance", format!("whim.instance={INSTANCE}")] });
    assert_eq!(filters(&world), ours);

    let options = ListVolumesOptionsBuilder::new().filters(&own).build();
    docker.list_volumes(Some(options)).await.unwrap();
    assert_eq!(filters(&world), ours);

    let options = ListNetworksOptionsBuilder::new().filters(&own).build();
    docker.list_networks(Some(options)).await.unwrap();
    assert_eq!(filters(&world), ours);

    let postgres = HashMap::from([(
        "label".to_owned(),
        vec!["com.docker.compose.project=whim".to_owned()],
    )]);
    let options = ListContainersOptionsBuilder::new().filters(&postgres).build();
    docker.list_containers(Some(options)).await.unwrap();
    assert_eq!(
        filters(&world),
        json!({ "label": ["com.docker.compose.project=whim", "whim.instance"] })
    );
}

#[tokio::test]
async fn the_firewall_can_be_listed() {
    let world = World::new();
    let firewall = whim_containers::firewall_filter("whim-workers");
    let options = ListContainersOptionsBuilder::new().filters(&firewall).build();
    world.docker().list_containers(Some(options)).await.unwrap();
    assert_eq!(
        filters(&world),
        json!({ "label": ["whim.firewall=whim-workers"] })
    );

    let other = whim_containers::firewall_filter("others");
    let options = ListContainersOptionsBuilder::new().filters(&other).build();
    world.docker().list_containers(Some(options)).await.unwrap();
    assert_eq!(
        filters(&world),
        json!({ "label": ["whim.firewall=others", "whim.instance"] })
    );
}

#[tokio::test]
async fn events_contain_only_exits_of_whims_containers() {
    let mut asked = whim_containers::instance_filter(INSTANCE);
    asked.insert("type".to_owned(), vec!["image".to_owned()]);
    for (filters_asked, expected) in [
        (
            asked,
            json!({
                "event": ["die", "oom"],
                "label": ["whim.instance", format!("whim.instance={INSTANCE}")],
                "type": ["container"],
            }),
        ),
        (
            HashMap::from([("event".to_owned(), vec!["die".to_owned()])]),
            json!({ "event": ["die"], "label": ["whim.instance"], "type": ["container"] }),
        ),
    ] {
        let world = World::new();
        let options = EventsOptionsBuilder::new()
            .since("1")
            .filters(&filters_asked)
            .build();
        let mut events = world.docker().events(Some(options)).boxed();
        let die = json!({ "Type": "container", "Action": "die" });
        let (event, ()) = futures::join!(events.next(), world.tell_whoever_listens(&die));
        assert_eq!(event.unwrap().unwrap().action.as_deref(), Some("die"));
        assert_eq!(filters(&world), expected);
    }
}
